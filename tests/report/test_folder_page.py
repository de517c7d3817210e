"""The page of a folder as a document: escaped, self-contained, and careful with its claims."""

from dataclasses import replace

import pytest

from ganamis.report import folder_wording
from ganamis.report.folder_page import FolderReport, render
from ganamis.report.parts import Group, percent
from ganamis.report.pictures import example
from tests.builders import noise
from tests.report.test_page import HOSTILE, Document

EXAMPLE = example(noise(1), alt=f"Example 1 of cluster 0: {HOSTILE}", caption=HOSTILE)
KNOWN = Group("cluster 0", HOSTILE, True, 12, (), (EXAMPLE,), 0.8)
NEW = Group("cluster 1", "unknown-1", False, 5, (), (EXAMPLE,), 0.999)
STRAY = Group("unassigned", "", False, 3, (), (EXAMPLE,))


@pytest.fixture
def report() -> FolderReport:
    return FolderReport(
        folder=HOSTILE,
        version="0.1.0",
        model="the model that ships with the package",
        known=(HOSTILE, "vae"),
        learned=0,
        images=20,
        different=19,
        size="256x192",
        given=False,
        confidence=0.93,
        groups=(KNOWN, NEW, STRAY),
        conditions=(("JPEG, quality 75", 1.0),),
        figures=(replace(EXAMPLE, title="Map of the images"),),
        doubts=(EXAMPLE,),
        surest_doubt=False,
        skipped=((HOSTILE, "is empty; copy the file again"),),
        skips=1,
        coloured=2,
        window="lung (level -600, width 1500)",
        missing=("Run `ganamis benchmark`.",),
    )


def _plain(report: FolderReport) -> FolderReport:
    return replace(
        report,
        groups=(NEW,),
        known=(),
        conditions=(),
        figures=(),
        doubts=(),
        skipped=(),
        skips=0,
        confidence=None,
    )


@pytest.mark.parametrize("full", [True, False])
def test_it_is_text_that_fetches_nothing_and_says_what_pictures_show(
    report: FolderReport, full: bool
) -> None:
    page = render(report if full else _plain(report))
    document = Document(page)
    assert HOSTILE not in page and "&lt;img src=x onerror=" in page
    assert not document.all("script", "iframe", "object", "form")
    assert document.open == []
    assert all(str(a["src"]).startswith("data:image/png;base64,") for a in document.all("img"))
    assert all(str(a["href"]).startswith("#") for a in document.all("a"))
    assert all(attributes["alt"] for attributes in document.all("img"))
    assert all(attributes.get("scope") for attributes in document.all("th"))
    tables = document.all("table")
    assert len(document.all("caption")) == len(tables) and bool(tables) == full
    identities = [str(a["id"]) for _, a in document.tags if "id" in a]
    assert len(set(identities)) == len(identities)
    assert {str(a["href"])[1:] for a in document.all("a")} <= set(identities)
    levels = [int(tag[1]) for tag, _ in document.tags if tag in {"h1", "h2", "h3"}]
    assert all(later <= earlier + 1 for earlier, later in zip(levels, levels[1:], strict=False))


def test_how_sure_the_number_is(report: FolderReport) -> None:
    assert "That the number is right: <b>93 %</b>." in render(report)
    unsaid = render(replace(report, confidence=None))
    assert "how sure this is, was not measured" in unsaid and "right with" not in unsaid
    assert "The number was <b>given</b>, not found." in render(replace(report, given=True))


def test_images_left_out_are_no_generator(report: FolderReport) -> None:
    page = render(report)
    assert "<h1>2 generators behind these 20 images</h1>" in page
    assert '<dd class="value">3</dd><dd class="note">fit no cluster</dd>' in page
    assert "That it is none of the known: over 99 %" in page


def test_what_is_no_proof_is_not_sold_as_one(report: FolderReport) -> None:
    for page in (render(report), render(_plain(report))):
        assert "and no proof" in page and "no detector of fakes" in page


@pytest.mark.parametrize(
    ("share", "text"), [(1.0, "over 99 %"), (0.5, "50 %"), (0.004, "under 1 %"), (0.99, "99 %")]
)
def test_a_probability_is_never_certainty(share: float, text: str) -> None:
    assert percent(share) == text


def test_processing_is_told_in_words_the_most_frequent_first() -> None:
    shares = {"clean": 0.2, "jpeg75": 0.5, "blur07": 0.2, "noise3": 0.001, "own": 0.099}
    assert folder_wording.processing(shares) == (
        ("JPEG, quality 75", 0.5),
        ("none that the model knows", 0.2),
        ("blur, 0.7 pixels", 0.2),
        ("own", 0.099),
    )


def test_what_was_not_measured_depends_on_what_was() -> None:
    def said(given: bool, confidence: float | None, sampled: int | None, spectra: bool) -> str:
        return " ".join(
            folder_wording.missing(
                (KNOWN, NEW),
                given=given,
                confidence=confidence,
                sampled=sampled,
                spectra=spectra,
                processing=spectra,
            )
        )

    much, little = said(False, 0.9, None, True), said(False, None, 200, False)
    assert "How sure the number" in little and "How sure the number" not in much
    assert "means of 200 images" in little and "means of" not in much
    assert "stored without them" in little and "stored without them" not in much
    assert "looks like blur" in little and "looks like blur" not in much
    assert "it was given" in said(True, None, None, True)
    assert "Much of cluster 1" in much and "cluster 0" not in much


def test_the_next_cluster_is_named_where_it_is_possible() -> None:
    assert folder_wording.doubt("cluster 0", 0.6, "cluster 2", 0.4) == (
        "cluster 0, 60 %; else cluster 2, 40 %"
    )
    assert folder_wording.doubt("cluster 0", 1.0, "cluster 2", 0.0) == "cluster 0, over 99 %"
