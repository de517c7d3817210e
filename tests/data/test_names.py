"""Names that people gave, fit to be written and joined, and never two alike."""

from ganamis.data.names import shown, submission_ids


def test_ids_of_a_submission_are_unique() -> None:
    assert submission_ids(["test/0001.png", "test/0002.png"]) == ["0001", "0002"]
    assert submission_ids(["a/1.png", "b/1.png"]) == ["a/1", "b/1"]
    assert submission_ids(["a/1.png", "a/1.jpg"]) == ["a/1.png", "a/1.jpg"]


def test_what_cannot_be_printed_is_escaped() -> None:
    assert shown("caf\udce9/\x1b[31mred\u2028.png") == "caf\\xe9/\\x1b[31mred\\x2028.png"
    assert shown("gr\u00fcn \u751f.png") == "gr\u00fcn \u751f.png"
