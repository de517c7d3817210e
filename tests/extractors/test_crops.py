"""Crops are cut, never scaled, and an epoch's stream follows from seed and epoch alone."""

import numpy as np
import pytest

from ganamis.extractors.crops import (
    NOISE_SIGMA,
    balanced_crops,
    take_views,
    training_batches,
    view_corners,
)
from ganamis.params import Augmentation

COUNT, SIZE, CROP = 10, 12, 5
# Every pixel of every image is another number, so that a crop tells where it was cut.
IMAGES = np.random.default_rng(0).integers(0, 256, (COUNT, SIZE, SIZE), dtype=np.uint8)
LABELS = np.arange(COUNT)


def stream(
    *, epochs: range, augmentation: Augmentation = "flips_and_noise", seed: int = 3, batch: int = 4
) -> list[tuple[np.ndarray, np.ndarray]]:
    batches = training_batches(
        IMAGES,
        LABELS,
        crop=CROP,
        batch_size=batch,
        augmentation=augmentation,
        seed=seed,
        epochs=epochs,
    )
    return list(batches)


def joined(batches: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    images, labels = zip(*batches, strict=True)
    return np.concatenate(images), np.concatenate(labels)


def cuts(image: np.ndarray) -> set[bytes]:
    """Every crop that an image has."""
    free = range(SIZE - CROP + 1)
    return {image[r : r + CROP, c : c + CROP].tobytes() for r in free for c in free}


def flips(crop: np.ndarray) -> list[np.ndarray]:
    return [crop, crop[::-1], crop[:, ::-1], crop[::-1, ::-1]]


@pytest.mark.parametrize(
    ("size", "crop", "views", "corners"),
    [
        (256, 256, 1, [(0, 0)]),
        (256, 64, 1, [(96, 96)]),
        (256, 64, 4, [(48, 48), (48, 144), (144, 48), (144, 144)]),
        (256, 64, 2, [(48, 48), (48, 144)]),
        (90, 30, 9, [(r, c) for r in (10, 30, 50) for c in (10, 30, 50)]),
        (32, 32, 4, [(0, 0)] * 4),
    ],
)
def test_views_lie_on_a_centred_grid(
    size: int, crop: int, views: int, corners: list[tuple[int, int]]
) -> None:
    assert view_corners(size, size, crop=crop, views=views) == corners


def test_views_of_an_image_that_is_not_square_reach_into_its_length() -> None:
    corners = view_corners(64, 256, crop=64, views=4)
    assert corners == [(0, 48), (0, 144), (0, 48), (0, 144)]


def test_views_hold_the_pixels_as_they_are_image_after_image() -> None:
    views = take_views(IMAGES, CROP, 4)
    assert (views.shape, views.dtype) == ((4 * COUNT, CROP, CROP, 1), np.float32)
    corners = view_corners(SIZE, SIZE, crop=CROP, views=4)
    for image in range(COUNT):
        for view, (row, column) in enumerate(corners):
            expected = IMAGES[image, row : row + CROP, column : column + CROP]
            np.testing.assert_array_equal(views[4 * image + view, ..., 0], expected)


def test_balanced_crops_hold_every_label_equally_often_and_all_copies() -> None:
    labels = np.array([0] * 7 + [2] * 3)
    copies = [IMAGES, 255 - IMAGES]
    random = np.random.default_rng(0)
    sources = set()
    for _ in range(10):
        pixels, chosen = balanced_crops(copies, labels, crop=CROP, each=4, random=random)
        assert chosen.tolist() == [0] * 4 + [2] * 4
        assert (pixels.shape, pixels.dtype) == ((8, CROP, CROP, 1), np.float32)
        for crop, label in zip(pixels[..., 0].astype(np.uint8), chosen, strict=True):
            found = {
                (copy, int(i))
                for copy, images in enumerate(copies)
                for i in np.flatnonzero(labels == label)
                if {crop.tobytes(), crop[:, ::-1].tobytes()} & cuts(images[i])
            }
            assert len(found) == 1
            sources |= found
    assert len(sources) > 12


def test_an_epoch_holds_every_image_once_in_batches() -> None:
    batches = stream(epochs=range(1), augmentation="none")
    assert [len(labels) for _, labels in batches] == [4, 4, 2]
    images, labels = joined(batches)
    assert (images.shape, images.dtype) == ((COUNT, CROP, CROP, 1), np.float32)
    assert sorted(labels) == LABELS.tolist()
    assert labels.tolist() != LABELS.tolist()
    for image, label in zip(images[..., 0].astype(np.uint8), labels, strict=True):
        assert image.tobytes() in cuts(IMAGES[label])


@pytest.mark.parametrize("augmentation", ["none", "flips", "flips_and_noise"])
@pytest.mark.parametrize("resumed", [1, 2])
def test_stream_resumed_at_an_epoch_is_the_uninterrupted_one(
    augmentation: Augmentation, resumed: int
) -> None:
    whole = stream(epochs=range(3), augmentation=augmentation)
    parts = stream(epochs=range(resumed), augmentation=augmentation)
    parts += stream(epochs=range(resumed, 3), augmentation=augmentation)
    for (images, labels), (expected, names) in zip(parts, whole, strict=True):
        np.testing.assert_array_equal(images, expected)
        np.testing.assert_array_equal(labels, names)


def test_epochs_and_seeds_differ() -> None:
    first, second, reseeded = (
        joined(stream(epochs=range(epoch, epoch + 1), augmentation="none", seed=seed))
        for epoch, seed in ((0, 3), (1, 3), (0, 4))
    )
    for other in (second, reseeded):
        assert first[1].tolist() != other[1].tolist()


def test_flips_keep_the_pixels_and_all_four_occur() -> None:
    seen = set()
    images, labels = joined(stream(epochs=range(12), augmentation="flips"))
    for image, label in zip(images[..., 0].astype(np.uint8), labels, strict=True):
        found = [i for i, x in enumerate(flips(image)) if x.tobytes() in cuts(IMAGES[label])]
        assert len(found) == 1
        seen.add(found[0])
    assert seen == {0, 1, 2, 3}


def test_noise_is_added_to_the_flipped_crops() -> None:
    plain, _ = joined(stream(epochs=range(20), augmentation="flips"))
    noisy, _ = joined(stream(epochs=range(20)))
    noise = noisy - plain
    assert abs(noise.mean()) < 0.05
    assert noise.std() == pytest.approx(NOISE_SIGMA, rel=0.05)


def test_images_are_not_modified() -> None:
    before = IMAGES.copy()
    stream(epochs=range(2))
    np.testing.assert_array_equal(IMAGES, before)
