"""The shared content prior: low-resolution anatomy codes that every generator draws in full.

All generators are fed by this one distribution, so content cannot give a generator away.
"""

from functools import lru_cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ganamis.zoo.geometry import CODE_SIZE, reduce

_CODES_FILE = "weights/codes.npz"
_BEND_PX = 0.35
_BEND_SMOOTH_PX = 4.0
_GAIN = (0.94, 1.0)


@lru_cache(maxsize=1)
def _base_codes() -> NDArray[np.uint8]:
    with resources.files("ganamis.zoo").joinpath(_CODES_FILE).open("rb") as file:
        codes: NDArray[np.uint8] = np.load(file)["codes"]
    return codes


def sample_codes(count: int, *, seed: int) -> NDArray[np.float32]:
    """Draw anatomy codes: each a shipped code, bent and dimmed anew.

    Shipped codes are drawn without replacement until all have been used once, so that two images
    of a data set share a base code only in sets larger than the shipped collection.

    Args:
        count: How many codes, at least 1.
        seed: Same seed, same codes.

    Returns:
        codes: `[count, 32, 32]` float32 in [0, 1]; 0 is air, 1 is bone.

    Raises:
        ValueError: `count` is below 1.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    rng = np.random.default_rng(seed)
    base = _base_codes()
    rounds = -(-count // len(base))
    order = np.concatenate([rng.permutation(len(base)) for _ in range(rounds)])[:count]
    return np.stack([_bend(base[i] / 255.0, rng=rng) for i in order])


def _bend(code: NDArray[np.floating], *, rng: np.random.Generator) -> NDArray[np.float32]:
    grid = np.mgrid[:CODE_SIZE, :CODE_SIZE].astype(np.float32)
    field = ndimage.gaussian_filter(
        rng.standard_normal(grid.shape), (0, _BEND_SMOOTH_PX, _BEND_SMOOTH_PX)
    )
    source = grid + field / field.std() * _BEND_PX
    moved = ndimage.map_coordinates(code, source, order=3, mode="constant")
    return np.clip(moved * rng.uniform(*_GAIN), 0.0, 1.0).astype(np.float32)


def build_codes(count: int, *, seed: int) -> NDArray[np.uint8]:
    """Make the shipped codes from the real series (extra `[zoo]`).

    Two slices up to 15 mm apart are mixed, bent strongly, and reduced to 32x32; a code that comes
    closer to any real slice than `LEAST_DISTANCE` is thrown away.

    Returns:
        codes: `[count, 32, 32]` uint8.
    """
    from ganamis.zoo.series import Deformation, deform, read_series

    strong = Deformation(
        elastic_px=4.0,
        smooth_px=22.0,
        zoom=(0.98, 1.28),
        turn_deg=9.0,
        shift_px=9.0,
        gamma=(0.88, 1.18),
    )
    rng = np.random.default_rng(seed)
    real = read_series()
    references = reference_thumbnails(real)
    codes: list[NDArray[np.float32]] = []
    while len(codes) < count:
        first = int(rng.integers(len(real)))
        second = int(np.clip(first + rng.integers(1, 4), 0, len(real) - 1))
        share = rng.uniform(0.25, 0.75)
        mixed = share * real[first] + (1 - share) * real[second]
        code = reduce(deform(mixed, strong, rng=rng))
        if nearest_distance(code[None], references)[0] >= LEAST_DISTANCE:
            codes.append(code)
    return np.round(np.stack(codes) * 255).astype(np.uint8)


LEAST_DISTANCE = 0.06
"""Root mean square difference, in [0, 1] intensity, a shipped code keeps from every real slice."""


def reference_thumbnails(real: NDArray[np.float32]) -> NDArray[np.float32]:
    """Reduce real slices and their mirror images. `real`: `[N, 256, 256]` -> `[2N, 32, 32]`."""
    return reduce(np.concatenate([real, real[:, :, ::-1]]))


def nearest_distance(
    codes: NDArray[np.float32], references: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Root mean square difference of each code to the nearest reference.

    Args:
        codes: `[N, 32, 32]` float32 in [0, 1].
        references: `[M, 32, 32]` float32 in [0, 1].

    Returns:
        `[N]` float32.
    """
    left = codes.reshape(len(codes), 1, -1)
    return np.sqrt(((left - references.reshape(1, len(references), -1)) ** 2).mean(-1)).min(1)
