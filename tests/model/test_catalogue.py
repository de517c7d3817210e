"""The generators a model knows: learned, forgotten, taught by a folder; names never collide."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from ganamis.errors import UserError
from ganamis.model.catalogue import forget, learn, taught
from ganamis.model.fingerprint import FingerprintModel
from tests.model.simulated import CONDITIONS, draw, model_of


@pytest.fixture(scope="module")
def model() -> FingerprintModel:
    """Knows generators 0 and 1 as a and b."""
    return model_of(0, 1)


@pytest.fixture(scope="module")
def wider(model: FingerprintModel) -> FingerprintModel:
    return learn(model, draw(2, 20, 5), np.repeat(["clinic A"], 20))


def names_of(model: FingerprintModel, *generators: int, count: int = 20) -> list[str]:
    """The name that each generator's images mostly get, attributed together."""
    images = np.concatenate([draw(generator, count, 8) for generator in generators])
    found = model.together(model.embed(images))
    truth = np.repeat(generators, count)
    assert adjusted_rand_score(truth, found.labels) > 0.9
    names = []
    for generator in generators:
        each, counts = np.unique(found.names[truth == generator], return_counts=True)
        names.append(str(each[counts.argmax()]))
    return names


def test_what_was_learned_is_named_in_the_next_folder(
    model: FingerprintModel, wider: FingerprintModel
) -> None:
    assert wider.known == ("a", "b", "clinic A") and model.known == ("a", "b")
    assert set(wider.spectra) == set(wider.known) and set(model.spectra) == set(model.known)
    known, *others = names_of(model, 1, 2, 3)
    assert known == "b" and set(others) == {"unknown-1", "unknown-2"}
    assert names_of(wider, 1, 2, 3) == ["b", "clinic A", "unknown-1"]
    found = wider.alone(wider.embed(draw(2, 20, 9)))
    assert set(found.names[found.known]) == {"clinic A"}


def test_learning_calibrates_anew_and_leaves_the_model_as_it_was(
    model: FingerprintModel, wider: FingerprintModel
) -> None:
    before, after = model.backend, wider.backend
    assert after.naming != before.naming and after.single != before.single
    assert len(before.nuisance.labels) == 60 and len(after.nuisance.labels) == 80
    assert after.nuisance.copies.shape[0] == len(CONDITIONS)
    np.testing.assert_array_equal(after.nuisance.copies[:, :60], before.nuisance.copies)
    np.testing.assert_array_equal(after.nuisance.basis, before.nuisance.basis)


def test_the_order_of_learning_images_changes_nothing(model: FingerprintModel) -> None:
    images, names = draw(2, 12, 5), np.repeat(["c", "d"], 6)
    first, second = learn(model, images, names), learn(model, images, names.astype(object))
    assert first.backend.naming == second.backend.naming
    assert first.backend.single == second.backend.single


@pytest.mark.parametrize("name", ["a", "A", "B"])
def test_a_name_that_is_taken_is_refused(model: FingerprintModel, name: str) -> None:
    with pytest.raises(UserError, match=f"'{name}' is known already; choose another name"):
        learn(model, draw(2, 5, 5), np.repeat([name], 5))


def test_all_offences_are_told_at_once(model: FingerprintModel) -> None:
    with pytest.raises(UserError) as refused:
        learn(model, draw(2, 9, 5), np.repeat(["b", "few", "fewer"], [5, 3, 1]))
    assert str(refused.value).splitlines() == [
        "cannot learn:",
        "  'b' is known already; choose another name, or forget it first",
        "  'few' has 3 images; give at least 4",
        "  'fewer' has 1 images; give at least 4",
    ]


def test_new_names_that_differ_in_case_alone_are_refused(model: FingerprintModel) -> None:
    with pytest.raises(UserError, match="'Clinic', 'clinic' differ in case alone"):
        learn(model, draw(2, 10, 5), np.repeat(["clinic", "Clinic"], 5))


def test_what_is_forgotten_is_unknown_and_can_be_learned_again(wider: FingerprintModel) -> None:
    narrower = forget(wider, ["a", "clinic A"])
    assert narrower.known == ("b",) and set(narrower.spectra) == {"b"}
    assert names_of(narrower, 0, 1)[1] == "b" and names_of(narrower, 0, 1)[0] == "unknown-1"
    found = narrower.alone(narrower.embed(draw(0, 10, 9)))
    assert "a" not in set(found.names)
    again = learn(narrower, draw(0, 20, 5), np.repeat(["a"], 20))
    assert again.known == ("a", "b")


def test_a_stranger_cannot_be_forgotten(model: FingerprintModel) -> None:
    with pytest.raises(UserError, match="cannot forget 'c': not known; the model knows 'a', 'b'"):
        forget(model, ["a", "c"])
    nobody = forget(model, ["a", "b"])
    with pytest.raises(UserError, match="the model knows nobody"):
        forget(nobody, ["a"])
    assert nobody.known == () and set(names_of(nobody, 0, 1)) == {"unknown-1", "unknown-2"}


def test_a_taught_model_knows_what_the_folder_teaches_and_nothing_else(
    model: FingerprintModel,
) -> None:
    images = np.concatenate([draw(1, 12, 5), draw(2, 12, 5)])
    found = taught(model, images, np.repeat(["a", "mine"], 12))  # a is another one's name here
    assert found.known == ("a", "mine")
    assert len(found.backend.nuisance.labels) == 84
    assert set(names_of(found, 2, 3)) == {"mine", "unknown-1"}


def test_a_name_says_nothing_of_who_made_an_image(model: FingerprintModel) -> None:
    """A folder's own `a` is not joined with the a that the model knew before."""
    images = np.concatenate([draw(1, 12, 5), draw(2, 12, 5)])
    found = taught(model, images, np.repeat(["a", "mine"], 12))
    assert names_of(found, 0, 1, 2) == ["unknown-1", "a", "mine"]
    labels, counts = np.unique(found.backend.nuisance.labels, return_counts=True)
    assert dict(zip(labels.tolist(), counts.tolist(), strict=True)) == {
        "a": 12,
        "mine": 12,
        "b": 30,
        "forgotten-1": 30,
    }


@pytest.mark.parametrize("name", ["unknown-1", "Unknown-1"])
def test_a_generator_called_unknown_1_never_meets_the_unknown_ones(
    model: FingerprintModel, name: str
) -> None:
    images = np.concatenate([draw(1, 16, 5), draw(2, 16, 5)])
    found = taught(model, images, np.repeat(["b", name], 16))
    asked = np.concatenate([draw(generator, 20, 8) for generator in (1, 2, 3)])
    truth = np.repeat(["b", name, "unknown-2"], 20)
    answer = found.together(found.embed(asked))
    assert adjusted_rand_score(truth, answer.labels) > 0.9
    assert answer.count == 3
    assert (answer.names == truth).mean() > 0.9
    assert (answer.known == (truth != "unknown-2")).mean() > 0.9
