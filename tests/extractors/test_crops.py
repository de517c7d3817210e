"""Crops are cut, never scaled, and an epoch's stream follows from seed and epoch alone."""

import numpy as np
import pytest

from ganamis.extractors.crops import NOISE_SIGMA, take_view, training_batches, view_corners
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
    assert view_corners(size, crop=crop, views=views) == corners


def test_view_holds_the_pixels_as_they_are() -> None:
    view = take_view(IMAGES, (2, 7), crop=CROP)
    assert (view.shape, view.dtype) == ((COUNT, CROP, CROP, 1), np.float32)
    np.testing.assert_array_equal(view[..., 0], IMAGES[:, 2:7, 7:12])


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
