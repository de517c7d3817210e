"""The content-only baseline: a thumbnail keeps the anatomy and drops the fingerprint."""

import numpy as np

CONTENT = "content_only"  # the baseline's name beside the extractors'
THUMBNAIL = 32  # pixels
CONTENT_SIDE, CONTENT_BINS = 16, 32


def thumbnails(images: np.ndarray, *, side: int = THUMBNAIL) -> np.ndarray:
    """Block means of `[N, H, W]` uint8 images: `[N, side * side]` float32 gray levels."""
    count, height, width = images.shape
    rows, columns = height // side, width // side
    cut = images[:, : rows * side, : columns * side]
    blocks = cut.reshape(count, side, rows, side, columns)
    return blocks.mean(axis=(2, 4), dtype=np.float32).reshape(count, side * side)


def content_descriptors(images: np.ndarray) -> np.ndarray:
    """What an image shows, apart from who made it: `[N, 16 * 16 + 32]` float32.

    Block means in gray levels, and how often each eighth of them occurs, the square root of
    shares, scaled so that both parts weigh about the same.

    Args:
        images: `[N, H, W]` uint8.
    """
    blocks = thumbnails(images, side=CONTENT_SIDE)
    bins = 256 // CONTENT_BINS
    shares = np.stack(
        [
            np.bincount(image.ravel() // bins, minlength=CONTENT_BINS) / image.size
            for image in images
        ]
    )
    return np.hstack([blocks, 255.0 * np.sqrt(shares)]).astype(np.float32)
