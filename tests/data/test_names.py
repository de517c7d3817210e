"""Names that people gave, fit to be written and joined, and never two alike."""

from hypothesis import given
from hypothesis import strategies as st

from ganamis.data.names import PLAIN_ID, generator_id, shown, submission_ids


def test_plain_names_are_their_own_ids() -> None:
    for name in ("gan0", "StyleGAN2", "vq-gan_v1.2", "unknown-1"):
        assert generator_id(name) == name


def test_free_text_becomes_letters_and_a_digest() -> None:
    assert generator_id("StyleGAN2 (ADA, 256px)") == "stylegan2-ada-256px-d91fac4bd28b"
    assert generator_id("\u751f\u6210\u5668") == "e3d0232a95df"
    assert PLAIN_ID.fullmatch(generator_id("x/" * 100))


@given(st.lists(st.text(min_size=1), unique=True, max_size=20))
def test_no_two_names_share_an_id(names: list[str]) -> None:
    ids = [generator_id(name) for name in names]
    assert len(set(ids)) == len(names)
    assert all(PLAIN_ID.fullmatch(identity) for identity in ids)


def test_ids_of_a_submission_are_unique() -> None:
    assert submission_ids(["test/0001.png", "test/0002.png"]) == ["0001", "0002"]
    assert submission_ids(["a/1.png", "b/1.png"]) == ["a/1", "b/1"]
    assert submission_ids(["a/1.png", "a/1.jpg"]) == ["a/1.png", "a/1.jpg"]


def test_what_cannot_be_printed_is_escaped() -> None:
    assert shown("caf\udce9/\x1b[31mred\u2028.png") == "caf\\xe9/\\x1b[31mred\\x2028.png"
    assert shown("gr\u00fcn \u751f.png") == "gr\u00fcn \u751f.png"
