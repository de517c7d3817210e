"""Simulated networks that are trained for a few steps only: tests need no good ones."""

import numpy as np
import pytest

from ganamis.simulation import generators
from ganamis.simulation.schooling import School

DRAW = generators.draw_school
SHARE = 8  # one step of so many is made


def school_briefly(patch: pytest.MonkeyPatch) -> None:
    """Every network drawn from now on is trained for an eighth of its steps."""

    def brief(random: np.random.Generator, *, steps: int) -> School:
        return DRAW(random, steps=steps // SHARE)

    patch.setattr(generators, "draw_school", brief)
