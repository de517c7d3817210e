"""Where the cells of an image are cut, so that the place of a generator's grid does not matter.

What an up-sampler repeats every few pixels lies elsewhere in a crop or in a shifted image. Cells
that begin at different phases of an 8x8 grid see all of it, and what phase changes shows inside
one image, as scatter of its windows, instead of between images.
"""

PERIOD = 8  # pixels: the coarsest grid of up-samplers and of block transforms
STEP = 5  # phases of neighbours are 5 apart: two cover both of period 2, four all of period 4


def phased_starts(side: int, cells: int, *, extent: int) -> list[int]:
    """First pixels of `cells` pieces of `extent` pixels, spread over `side`, each at its own phase.

    `side` is at least `extent` and one pixel less than the period.
    """
    room = side - extent - (PERIOD - 1)
    even = [cell * room // max(1, cells - 1) for cell in range(cells)]
    return [start // PERIOD * PERIOD + STEP * cell % PERIOD for cell, start in enumerate(even)]
