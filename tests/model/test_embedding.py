"""Decoding and embedding on all cores, in little memory, gives what one thread gives, in order."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ganamis.contracts import Embedded
from ganamis.data.images import pixel_digest
from ganamis.data.listing import open_folder
from ganamis.data.reading import Reading
from ganamis.errors import UserError
from ganamis.model.embedding import Stream, embed_folder, embed_images, steps
from ganamis.model.fingerprint import FingerprintModel
from ganamis.model.shipped import load_shipped
from tests.builders import write
from tests.model.simulated import draw, model_of

COUNT = 70  # three batches


@pytest.fixture(scope="module")
def model() -> FingerprintModel:
    return load_shipped()


def test_a_folder_is_embedded_as_image_by_image(tmp_path: Path, model: FingerprintModel) -> None:
    images = draw(0, COUNT, 1)
    for number, image in enumerate(images):
        write(tmp_path / f"{number:02}.png", image)
    write(tmp_path / "33.png", "no image any more")
    opened = open_folder(tmp_path, reading=Reading())
    watched = []

    def show(batches: object, what: str, total: float) -> object:
        watched.append((what, total))
        return batches

    paths, stream = embed_folder(model, opened, opened.asked, show=show)
    found = Embedded.concatenate(stream.whole)
    kept = np.delete(images, 33, axis=0)
    assert paths == [f"{number:02}.png" for number in range(COUNT) if number != 33]
    assert watched == [("Embedding", steps(opened.asked))] == [("Embedding", 3)]
    assert found.ids.tolist() == [pixel_digest(image) for image in kept]
    alone = np.concatenate([model.embed(image[None]).features for image in kept])
    np.testing.assert_allclose(found.features, alone, rtol=0, atol=1e-4)
    np.testing.assert_array_equal(embed_images(model, kept).features, found.features)


@pytest.mark.parametrize("clusters", [None, 3])
@pytest.mark.parametrize("sample", [20, 60, 200])
def test_a_stream_answers_as_all_at_once(sample: int, clusters: int | None) -> None:
    known = model_of(0, 1)
    settings = known.backend.settings.model_copy(update={"sample": sample})
    known = replace(known, backend=replace(known.backend, settings=settings))
    images = np.concatenate([draw(generator, 30, 1) for generator in range(3)])
    batch = known.embed(np.concatenate([images, images[::7]]))  # some twice
    batch = batch.rows(np.random.default_rng(0).permutation(len(batch)))
    stream = Stream(sample)
    for start in range(0, len(batch), 16):
        stream.add(batch.rows(np.arange(start, min(start + 16, len(batch)))))
        assert sum(len(part) for part in stream.whole) <= 2 * sample
    found = stream.answer(known, clusters=clusters)
    expected = known.together(batch, clusters=clusters)
    for column in ("ids", "labels", "membership", "names", "points"):
        np.testing.assert_array_equal(getattr(found, column), getattr(expected, column))
    assert found.confidence == expected.confidence and found.conditions == expected.conditions


def test_nothing_that_can_be_read_is_said(tmp_path: Path, model: FingerprintModel) -> None:
    path = write(tmp_path / "0.png", draw(0, 1, 1)[0])
    opened = open_folder(tmp_path, reading=Reading())
    path.write_text("gone")
    with pytest.raises(UserError, match="no image could be read"):
        embed_folder(model, opened, opened.asked)
