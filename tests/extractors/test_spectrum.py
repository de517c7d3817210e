"""Local log power spectra: scale, invariances, sizes."""

from pathlib import Path

import numpy as np
import pytest

from ganamis.contracts import Embeddings
from ganamis.errors import UserError
from ganamis.extractors.fusion import Fusion, fuse
from ganamis.extractors.spectrum import Spectrum, frequency_kernel

SPECTRUM = Spectrum(grid=3, periods=(32, 16), threads=2)


def images(count: int = 5, height: int = 96, width: int = 128) -> np.ndarray:
    shape = (count, height, width)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def test_a_naive_transform_of_one_window() -> None:
    image = images(1, 96, 128)
    step_y, step_x = 24, 32
    window = image[0, step_y : 3 * step_y, : 2 * step_x].astype(float)
    taper = np.outer(
        0.5 - 0.5 * np.cos(2 * np.pi * np.arange(2 * step_y) / (2 * step_y)),
        0.5 - 0.5 * np.cos(2 * np.pi * np.arange(2 * step_x) / (2 * step_x)),
    )
    power = np.abs(np.fft.rfft2((window - window.mean()) * taper)) ** 2 / (taper**2).sum()
    rows = frequency_kernel(2 * step_y, 32, two_sided=True)
    columns = frequency_kernel(2 * step_x, 32, two_sided=False)
    expected = np.log(rows @ power @ columns.T + 1 / 12).ravel()
    found = SPECTRUM.embed(image).reshape(SPECTRUM.views, -1)[3, : expected.size]
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_kernels_average_and_fold() -> None:
    for two_sided in (True, False):
        kernel = frequency_kernel(48, 16, two_sided=two_sided)
        np.testing.assert_allclose(kernel.sum(axis=1), 1.0, rtol=1e-6)
    folded = frequency_kernel(48, 16, two_sided=True)
    np.testing.assert_array_equal(folded[:, 1:24], folded[:, :24:-1])


@pytest.mark.parametrize("size", [(64, 64), (65, 91), (256, 64)])
def test_any_size_from_64(size: tuple[int, int]) -> None:
    features = SPECTRUM.embed(images(2, *size))
    assert features.shape == (2, SPECTRUM.views * SPECTRUM.dimensions)
    assert features.dtype == np.float32 and np.isfinite(features).all()


def test_too_small_is_refused() -> None:
    with pytest.raises(UserError, match="at least 64x64 pixels, got 80x63"):
        SPECTRUM.embed(images(1, 63, 80))


def test_batch_and_order_do_not_matter() -> None:
    many = images(40)
    kept = many.copy()
    features = SPECTRUM.embed(many)
    np.testing.assert_allclose(SPECTRUM.embed(many[7:8])[0], features[7], atol=1e-4)
    np.testing.assert_allclose(SPECTRUM.embed(many[::-1])[::-1], features, atol=1e-4)
    np.testing.assert_array_equal(many, kept)


def test_mirroring_changes_little_but_the_windows_places() -> None:
    image = images(1, 128, 128)
    views = SPECTRUM.embed(image).reshape(3, 3, -1)
    mirrored = SPECTRUM.embed(image[:, :, ::-1]).reshape(3, 3, -1)[:, ::-1]
    assert np.corrcoef(views.ravel(), mirrored.ravel())[0, 1] > 0.9


def test_fusion_keeps_views_together_and_balances_the_parts(tmp_path: Path) -> None:
    parts = (Spectrum(grid=2, periods=(32,), threads=1), Spectrum(grid=2, periods=(8,), threads=1))
    fusion = Fusion.fit(parts, images(20))
    views = fusion.embed(images(20)).reshape(20, 4, -1)
    split = parts[0].dimensions
    first, second = views[..., :split], views[..., split:]
    assert np.isclose(first.var(axis=0).sum(), second.var(axis=0).sum(), rtol=1e-3)
    with pytest.raises(ValueError, match="views"):
        Fusion((parts[0], SPECTRUM), (1.0, 1.0))


def test_fused_embeddings_are_joined_by_image_and_balanced() -> None:
    random = np.random.default_rng(0)
    ids = np.array(list("dacb"))
    loud, soft = 100 * random.normal(size=(4, 2 * 3)), random.normal(size=(4, 2 * 5))
    shuffled = random.permutation(4)
    first = Embeddings(ids, loud.astype(np.float32), 2)
    second = Embeddings(ids[shuffled], soft[shuffled].astype(np.float32), 2)
    fused = fuse([first, second])
    views = fused.features.reshape(4, 2, 8)
    assert fused.ids.tolist() == ids.tolist() and fused.views == 2
    for part, given in ((views[..., :3], loud), (views[..., 3:], soft)):
        ratio = part.reshape(4, -1) / given
        np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-5)
        assert np.isclose(part.var(axis=0).sum(), 1.0, rtol=1e-4)
    with pytest.raises(ValueError, match="views"):
        fuse([first, Embeddings(ids, loud.astype(np.float32), 3)])


def test_save_and_load(tmp_path: Path) -> None:
    SPECTRUM.save(tmp_path)
    assert Spectrum.load(tmp_path) == SPECTRUM
