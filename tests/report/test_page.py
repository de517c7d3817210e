"""The report page as a document: escaped, self-contained, in order, and honest without labels."""

from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from ganamis.contracts import Version
from ganamis.report import wording
from ganamis.report.networks import trained_rows
from ganamis.report.page import Report, Step, render
from ganamis.report.parts import Group, Picture, and_list, count, number
from ganamis.report.pictures import example
from tests.builders import noise

HOSTILE = '<img src=x onerror="alert(1)">'
VOID = {"meta", "link", "img", "br"}


class Document(HTMLParser):
    """Tags with their attributes in the order they open; what is left open at the end."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, *names: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag in names]


def _score(architecture: str, mode: str, ari: float) -> dict[str, object]:
    return {
        "architecture": architecture,
        "clusterer": "open_world",
        "mode": mode,
        "images": 4,
        "ari": ari,
        "ari_low": ari - 0.1,
        "ari_high": ari + 0.1,
        "p_value": 0.02,
        "nmi": 0.5,
        "homogeneity": 0.6,
        "completeness": 0.7,
        "clusters": 2,
        "generators": 2,
        "unassigned": 0.0,
    }


def _summary(name: str, *, accuracy: float) -> dict[str, object]:
    return {
        "architecture": name,
        "development_accuracy": accuracy,
        "learned": accuracy > 0.9,
        "seconds": 61.0,
        "images_per_second": 40.0,
        "values": {"depth": 4, "crop": 64, "loss": "softmax", "learning_rate": 1e-3},
    }


def _group(title: str, name: str, *, known: bool, maker: str) -> Group:
    picture: Picture = example(
        noise(1), alt=f"Example 1 of {title}, made by {maker}", caption=maker
    )
    return Group(title, name, known, 2, ((maker, 2),), (picture,))


@pytest.fixture
def report() -> Report:
    picture = example(noise(2), alt="A chart of something", caption="")
    return Report(
        run_id="0" * 32,
        seed=1,
        profile="two_cores",
        data={
            "data_digest": "f" * 32 + ".dir",
            "development_images": 4,
            "test_images": 4,
            "generators": [HOSTILE],
            "near_duplicates": 0,
        },
        data_root="data/imported",
        selection={
            "architecture": "spectrum",
            "clusterer": "open_world",
            "development_ari_unknown": 0.9,
        },
        scores=pd.DataFrame(
            [
                _score("vgg19", "known", -0.0004),
                _score("vgg19", "unknown", -0.05),
                _score("spectrum", "known", 0.95),
                _score("spectrum", "unknown", 0.875),
                _score("content_only", "unknown", 0.0),
            ]
        ),
        trained=trained_rows(
            [
                (_summary("spectrum", accuracy=1.0), ("spectrum", "spectrum")),
                (_summary("vgg19_paper", accuracy=0.33), ("vgg19", "paper")),
            ],
            pd.DataFrame([_score("spectrum", "unknown", 0.875)]),
        ),
        search_chart=replace(picture, title="What the searches tried"),
        groups=(
            _group("cluster 0", HOSTILE, known=True, maker=HOSTILE),
            _group("cluster 1", "unknown-1", known=False, maker="b"),
        ),
        ari_chart=replace(picture, title="ARI of every extractor"),
        figures=(replace(picture, title="Map of the images"),),
        benchmark=None,
        version={"name": "ganamis", "version": 3, "run_id": "1" * 32},
        versions=(
            Version(2, None, None, None, "", "", (), ""),
            Version(3, 0.9, 0.8, 1.0, "f" * 12, "c" * 12, ("champion",), HOSTILE),
        ),
        trend=replace(picture, title="ARI of every version"),
        gate={"promoted": True, "reason": HOSTILE, "difference": None, "interval: low": 0.01},
        steps=(
            Step("ingest", (("results/ingest", "a" * 32),), None, None, False, None, None),
            Step("report", (), "0" * 32, "c" * 40, True, "2026-01-01 00:00", None),
        ),
        permutations=1000,
        missing=("Run `ganamis benchmark`.",),
    )


def _unlabelled(report: Report) -> Report:
    groups = tuple(replace(group, makers=()) for group in report.groups)
    return replace(report, scores=pd.DataFrame(), ari_chart=None, groups=groups)


@pytest.mark.parametrize("labelled", [True, False])
def test_names_from_the_data_are_text_and_never_markup(report: Report, labelled: bool) -> None:
    page = render(report if labelled else _unlabelled(report))
    document = Document(page)
    assert HOSTILE not in page and "&lt;img src=x onerror=" in page
    assert not document.all("script", "iframe", "object", "form")
    for _, attributes in document.tags:
        assert not any(name.startswith("on") for name in attributes)
    assert document.open == []


def test_nothing_is_fetched(report: Report) -> None:
    document = Document(render(report))
    for attributes in document.all("img"):
        assert str(attributes["src"]).startswith("data:image/png;base64,")
    assert [a["href"] for a in document.all("link")] == ["data:,"]
    assert all(str(attributes["href"]).startswith("#") for attributes in document.all("a"))
    policies = [a["content"] for a in document.all("meta") if "http-equiv" in a]
    assert policies == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]


@pytest.mark.parametrize("labelled", [True, False])
def test_structure_serves_those_who_do_not_see_it(report: Report, labelled: bool) -> None:
    document = Document(render(report if labelled else _unlabelled(report)))
    assert document.all("html") == [{"lang": "en"}]
    assert all(attributes["alt"] for attributes in document.all("img"))
    assert all(attributes.get("scope") for attributes in document.all("th"))
    assert len(document.all("caption")) == len(document.all("table")) > 0
    levels = [int(tag[1]) for tag, _ in document.tags if tag in {"h1", "h2", "h3"}]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(later <= earlier + 1 for earlier, later in zip(levels, levels[1:], strict=False))
    identities = [str(a["id"]) for _, a in document.tags if "id" in a]
    assert len(set(identities)) == len(identities)
    targets = {str(attributes["href"])[1:] for attributes in document.all("a")}
    assert targets <= set(identities)


def test_the_headline_is_the_chosen_score_with_the_number_unknown(report: Report) -> None:
    page = render(report)
    assert report.headline is not None and report.headline["ari"] == 0.875
    assert '<dd class="value">0.875</dd><dd class="note">95 %: 0.775 to 0.975</dd>' in page
    assert "<h1>2 generators made these 4 images</h1>" in page
    assert page.count("<b>0.875</b>") == 1


def test_without_labels_it_says_so_and_claims_no_score(report: Report) -> None:
    page = render(_unlabelled(report))
    assert "no test labels" in page and "nothing can be scored" in page
    assert "0.875" not in page and "True generators" not in page
    assert "<h1>2 generators made these 4 images</h1>" in page


def test_without_a_benchmark_degradations_are_not_measured(report: Report) -> None:
    assert "Not measured in this run." in render(report)
    assert "Run <code>ganamis benchmark</code>." in render(report)


def test_every_key_of_the_decision_is_shown(report: Report) -> None:
    page = render(report)
    assert "interval: low" in page and "0.0100" in page
    assert '<th scope="row">difference</th><td class="wrap">none</td>' in page


def test_a_decision_of_unknown_form_does_not_break_the_page(report: Report) -> None:
    assert "It was not promoted." in render(replace(report, gate={}))


def test_one_of_everything_is_singular(report: Report) -> None:
    data = {**report.data, "test_images": 1}
    page = render(replace(report, groups=report.groups[1:], data=data))
    assert "<h1>1 generator made these 1 image</h1>" not in page
    assert "<h1>1 generator made this 1 image</h1>" in page
    assert "None of them was seen before" in page


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.98349, "0.983"), (-0.0123, "−0.012"), (-0.0001, "0.000"), (None, "–"), (float("nan"), "–")],
)
def test_numbers_for_reading(value: float | None, text: str) -> None:
    assert number(value) == text


def test_words_for_reading() -> None:
    assert count(1, "image") == "1 image" and count(1200, "image") == "1,200 images"
    assert and_list(["a"]) == "a" and and_list(["a", "b", "c"]) == "a, b and c"


def test_the_dendrogram_is_told_in_words() -> None:
    linkage = np.array([[0, 2, 1.5, 2], [1, 3, 9.0, 3]])
    told = wording.dendrogram(linkage, ["cluster 0", "cluster 1", "cluster 2"])
    assert "cluster 0 and cluster 2 are the closest pair, 1.5 standard deviations" in told
    assert "cluster 1 is farthest from the rest, at 9.0" in told


def test_the_confusion_is_told_in_words(report: Report) -> None:
    assert wording.confusion(report.groups[1:]).endswith("cluster 1: 2 of b.")


def test_what_was_not_measured_depends_on_what_was() -> None:
    def said(labelled: bool, benchmark: bool, compared: bool) -> str:
        return " ".join(
            wording.missing(
                labelled=labelled,
                benchmark=benchmark,
                compared=compared,
                untrained=["fusion"],
                profile="paper",
            )
        )

    everything, nothing = said(True, True, True), said(False, False, False)
    assert "test_labels.csv" in nothing and "test_labels.csv" not in everything
    assert "JPEG" in nothing and "JPEG" not in everything
    assert "champion" in nothing and "champion" not in everything
    assert "fusion" in everything and "two_cores" not in everything


def test_an_example_is_small_and_keeps_its_shape() -> None:
    picture = example(np.zeros((300, 200), np.uint8), alt="An image", caption="")
    assert (picture.width, picture.height) == (85, 128)
