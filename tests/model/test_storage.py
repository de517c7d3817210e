"""A model as a folder: read back, it answers the same; nothing pickled, other forms refused."""

import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ganamis.errors import UserError
from ganamis.model.catalogue import forget, learn
from ganamis.model.fingerprint import FingerprintModel
from ganamis.model.shipped import load_shipped, shipped_folder
from ganamis.model.storage import (
    ARRAYS_FILE,
    MODEL_FILE,
    load_backend,
    load_model,
    save_model,
)
from tests.model.simulated import draw, model_of


@pytest.fixture(scope="module")
def model() -> FingerprintModel:
    return model_of(0, 1, images=16)


@pytest.fixture
def folder(model: FingerprintModel, tmp_path: Path) -> Path:
    save_model(model, tmp_path / "model")
    return tmp_path / "model"


def images() -> np.ndarray:
    return np.concatenate([draw(generator, 12, 1) for generator in (0, 1, 3)])


def test_read_back_it_is_the_same_model(model: FingerprintModel, folder: Path) -> None:
    loaded = load_model(folder)
    before, after = model.backend, loaded.backend
    for name in ("known", "settings", "seed", "clusterer", "naming", "single"):
        assert getattr(after, name) == getattr(before, name), name
    assert after.nuisance.conditions == before.nuisance.conditions
    assert after.nuisance.labels.tolist() == before.nuisance.labels.tolist()
    np.testing.assert_array_equal(after.nuisance.mean, before.nuisance.mean)
    np.testing.assert_array_equal(after.nuisance.basis, before.nuisance.basis)
    np.testing.assert_array_equal(after.nuisance.copies, before.nuisance.copies)
    np.testing.assert_array_equal(after.image_scatter, before.image_scatter)
    assert loaded.extractor == model.extractor
    assert set(loaded.spectra) == set(model.known)
    for name, spectrum in loaded.spectra.items():
        np.testing.assert_allclose(spectrum, model.spectra[name], rtol=1e-3, atol=1e-3)


def test_read_back_it_answers_the_same(model: FingerprintModel, folder: Path) -> None:
    loaded = load_model(folder)
    first, second = (m.together(m.embed(images())) for m in (model, loaded))
    np.testing.assert_array_equal(first.ids, second.ids)
    np.testing.assert_array_equal(first.labels, second.labels)
    np.testing.assert_array_equal(first.names, second.names)
    np.testing.assert_array_equal(first.scores, second.scores)
    np.testing.assert_array_equal(first.points, second.points)
    assert first.conditions == second.conditions and first.confidence == second.confidence
    one, two = (m.alone(m.embed(images())) for m in (model, loaded))
    np.testing.assert_array_equal(one.names, two.names)
    np.testing.assert_array_equal(one.scores, two.scores)


def test_what_was_learned_is_stored_as_exactly(model: FingerprintModel, tmp_path: Path) -> None:
    wider = learn(model, draw(2, 8, 5), np.repeat(["clinic A"], 8))
    save_model(wider, tmp_path)
    loaded = load_model(tmp_path)
    np.testing.assert_array_equal(loaded.backend.nuisance.copies, wider.backend.nuisance.copies)
    first, second = (m.alone(m.embed(images())) for m in (wider, loaded))
    np.testing.assert_array_equal(first.scores, second.scores)


def test_written_again_it_is_identical(folder: Path, tmp_path: Path) -> None:
    """Reading and writing change nothing."""
    loaded = load_model(folder)
    save_model(loaded, tmp_path / "again")
    again = load_model(tmp_path / "again")
    assert (folder / MODEL_FILE).read_bytes() == (tmp_path / "again" / MODEL_FILE).read_bytes()
    with np.load(folder / ARRAYS_FILE) as one, np.load(tmp_path / "again" / ARRAYS_FILE) as two:
        assert set(one) == set(two)
        for name in one:
            np.testing.assert_array_equal(one[name], two[name])
    first, second = (m.together(m.embed(images())) for m in (loaded, again))
    np.testing.assert_array_equal(first.scores, second.scores)


def test_a_model_that_knows_nobody_and_clusters_otherwise(
    model: FingerprintModel, tmp_path: Path
) -> None:
    nobody = forget(model, model.known)
    other = replace(nobody, backend=replace(nobody.backend, clusterer="agglomerative"))
    save_model(other, tmp_path)
    loaded = load_model(tmp_path)
    assert loaded.known == () and loaded.backend.clusterer == "agglomerative"
    assert not loaded.alone(loaded.embed(images())).known.any()


def test_nothing_is_pickled(folder: Path) -> None:
    kinds = {path.suffix for path in folder.rglob("*") if path.is_file()}
    assert kinds == {".json", ".npz"}
    with np.load(folder / ARRAYS_FILE, allow_pickle=False) as arrays:
        assert all(arrays[name].dtype != object for name in arrays)


def rewrite(folder: Path, change: Callable[[dict], None]) -> None:
    stored = json.loads((folder / MODEL_FILE).read_text())
    change(stored)
    (folder / MODEL_FILE).write_text(json.dumps(stored))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.update(format=0), "has format 0, expected 1; use the version of ganamis"),
        (lambda s: s.pop("format"), "has format None, expected 1"),
        (lambda s: s["settings"].pop("naming"), "settings .* are not those of this version"),
        (lambda s: s["settings"].update(colour=1), "settings .* are not those of this version"),
    ],
)
def test_another_form_is_refused(folder: Path, change: Callable[[dict], None], said: str) -> None:
    rewrite(folder, change)
    with pytest.raises(UserError, match=said):
        load_backend(folder)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="model.json"):
        load_model(tmp_path)


def test_the_shipped_model_is_small_and_says_what_it_is() -> None:
    folder = shipped_folder()
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 10 * 2**20
    card = json.loads((folder / "card.json").read_text())
    shipped = load_shipped()
    assert list(shipped.known) == card["generators"] and len(shipped.known) == 8
    assert list(shipped.backend.nuisance.conditions) == card["conditions"]
    counts = np.unique(shipped.backend.nuisance.labels, return_counts=True)[1]
    assert (counts == card["images_of_each"]).all()
    with zipfile.ZipFile(folder / ARRAYS_FILE) as archive:
        assert archive.testzip() is None
