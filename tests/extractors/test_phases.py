"""Cells that together see every phase of a generator's grid."""

import numpy as np
import pytest

from ganamis.extractors.loading import shipped_fingerprint
from ganamis.extractors.phases import PERIOD, phased_starts


@pytest.mark.parametrize("side", [64, 65, 100, 255, 256, 1024])
@pytest.mark.parametrize("cells", [2, 4])
def test_cells_lie_inside_the_image_from_end_to_end(side: int, cells: int) -> None:
    extent = side // cells + 4
    starts = phased_starts(side, cells, extent=extent)
    assert starts[0] == 0 and starts == sorted(starts)
    assert side - 2 * PERIOD <= starts[-1] + extent <= side


def test_neighbours_cover_period_2_and_four_cells_period_4() -> None:
    starts = np.array(phased_starts(256, 4, extent=68))
    assert all(set(starts[at : at + 2] % 2) == {0, 1} for at in range(3))
    assert set(starts % 4) == {0, 1, 2, 3}


def test_a_shift_moves_the_fingerprint_less_than_other_content_does() -> None:
    """Of images whose rows repeat every eight pixels, as after eightfold up-sampling."""
    random = np.random.default_rng(0)
    rows = np.repeat(random.normal(100, 20, (12, 33, 256)), 8, axis=1)
    images = np.clip(rows + random.normal(0, 3, rows.shape), 0, 255).astype(np.uint8)
    extractor = shipped_fingerprint()
    features = np.stack(
        [
            extractor.embed(images[:, place : place + 256]).reshape(12, extractor.views, -1).mean(1)
            for place in range(8)
        ]
    )
    by_shift = features.mean(axis=1).var(axis=0).sum()
    by_content = features.var(axis=1).mean(axis=0).sum()
    assert by_shift < by_content / 2  # of one phase for all cells they are about alike
