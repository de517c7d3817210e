"""Drawn content: slices of imagined bodies, dead leaves, and textures, in any gray window.

Real anatomy is one distribution; a fingerprint must hold on content nobody thought of.
"""

from collections.abc import Iterator

import numpy as np
import scipy.fft

Floats = np.ndarray
SIDE = 256  # pixels of a drawn slice
TAU = 2 * np.pi


def _coordinates() -> tuple[Floats, Floats]:
    axis = (np.arange(SIDE, dtype=np.float32) + 0.5) / SIDE * 2 - 1
    return axis[:, None], axis[None, :]


def _cover(
    centre: Floats, radii: Floats, turn: float, power: float, edge: float, ripple: Floats
) -> tuple[tuple[slice, slice], Floats]:
    """How much of each pixel a rippled superellipse covers: the box it lies in, and `[h, w]`."""
    reach = float(radii.max()) * (1.25 + np.abs(ripple).sum()) + edge
    low = np.clip(np.floor((centre - reach + 1) / 2 * SIDE).astype(int), 0, SIDE)
    high = np.clip(np.ceil((centre + reach + 1) / 2 * SIDE).astype(int), 0, SIDE)
    box = (slice(low[0], high[0]), slice(low[1], high[1]))
    rows, columns = _coordinates()
    y, x = rows[box[0]] - centre[0], columns[:, box[1]] - centre[1]
    along = (x * np.cos(turn) + y * np.sin(turn)) / radii[1]
    across = (y * np.cos(turn) - x * np.sin(turn)) / radii[0]
    radius = (np.abs(along) ** power + np.abs(across) ** power) ** (1 / power)
    angle = np.arctan2(across, along)
    for order, size in enumerate(ripple, start=2):
        radius = radius * (1 + size * np.cos(order * angle + 7 * order))
    distance = (1 - radius) * radii.min()
    return box, np.clip(distance / edge + 0.5, 0, 1).astype(np.float32)


def texture(random: np.random.Generator, *, slope: float) -> Floats:
    """Noise of power `1 / f**slope`, mean 0 and deviation 1. `[256, 256]` float32."""
    white = random.standard_normal((SIDE, SIDE), np.float32)
    rows, columns = scipy.fft.fftfreq(SIDE), scipy.fft.rfftfreq(SIDE)
    frequency = np.hypot(rows[:, None], columns[None, :]).astype(np.float32)
    frequency[0, 0] = 1.0
    field = scipy.fft.irfft2(scipy.fft.rfft2(white) * frequency ** (-slope / 2), (SIDE, SIDE))
    return ((field - field.mean()) / field.std()).astype(np.float32)


class Body:
    """An imagined patient: a body with organs, bones, vessels and a table, slice by slice."""

    def __init__(self, random: np.random.Generator) -> None:
        self.random = random
        self.shape = random.uniform((0.3, 0.55), (0.75, 0.95))
        self.centre = random.uniform(-0.12, 0.12, 2)
        self.air = float(random.choice((0.0, 0.0, 0.0, 0.03, 0.1)))
        self.soft = random.uniform(0.3, 0.6)
        count = random.integers(6, 40)
        kinds = random.choice(4, count, p=(0.2, 0.25, 0.2, 0.35))
        self.gray = np.select(
            [kinds == 0, kinds == 1, kinds == 2],
            [random.uniform(0.0, 0.15, count), random.uniform(0.7, 1.0, count),
             self.soft + random.normal(0, 0.06, count)],
            self.soft + random.uniform(0.0, 0.25, count),
        )  # fmt: skip
        largest = np.choose(kinds, (0.4, 0.13, 0.3, 0.04))
        self.radii = largest[:, None] * random.uniform(0.3, 1.0, (count, 2))
        angle, distance = random.uniform(0, TAU, count), np.sqrt(random.uniform(0, 0.85, count))
        self.places = np.stack([np.sin(angle), np.cos(angle)], 1) * distance[:, None]
        self.turns = random.uniform(0, TAU, count)
        self.edge = random.uniform(0.006, 0.04, count)
        self.ripples = random.normal(0, 0.05, (count, 3))
        self.order = np.argsort(-largest, kind="stable")
        self.table = random.uniform(0.55, 0.9) if random.random() < 0.6 else None
        self.grain, self.slope = random.uniform(0, 0.03), random.uniform(0.0, 2.5)

    def slices(self, count: int) -> Iterator[Floats]:
        """Neighbouring slices, `[256, 256]` float32 in [0, 1]."""
        drift = self.random.normal(0, 0.03, self.places.shape)
        swell = self.random.normal(0, 0.08, len(self.gray))
        for step in range(count):
            yield self._slice(
                self.places + step * drift, self.radii * np.exp(step * swell)[:, None]
            )

    def _slice(self, places: Floats, radii: Floats) -> Floats:
        canvas = np.full((SIDE, SIDE), self.air, np.float32)
        box, body = _cover(self.centre, self.shape, 0.0, 2.4, 0.012, self.ripples[0])
        whole = np.zeros_like(canvas)
        whole[box] = body
        inside = canvas + (self.soft - canvas) * whole
        for i in self.order:
            centre = self.centre + places[i] * self.shape
            spot, cover = _cover(
                centre, radii[i], self.turns[i], 2.0, self.edge[i], self.ripples[i]
            )
            inside[spot] += (self.gray[i] - inside[spot]) * cover * whole[spot]
        if self.grain:
            inside += self.grain * texture(self.random, slope=self.slope) * whole
        if self.table is not None:
            self._draw_table(inside, whole)
        return np.clip(inside, 0, 1)

    def _draw_table(self, canvas: Floats, whole: Floats) -> None:
        assert self.table is not None
        for lift, gray in ((0.0, 0.75), (0.035, self.air)):
            centre = np.array([self.table - 0.6 - lift, 0.0])
            box, cover = _cover(centre, np.array([0.7, 0.8]), 0.0, 2.0, 0.012, np.zeros(1))
            below = (_coordinates()[0][box[0]] > self.table - 0.25) * (1 - whole[box])
            canvas[box] += (gray - canvas[box]) * cover * below


def dead_leaves(random: np.random.Generator) -> Floats:
    """Occluding shapes of all sizes (Lee et al. 2001). `[256, 256]` float32 in [0, 1]."""
    canvas = np.full((SIDE, SIDE), random.uniform(0, 1), np.float32)
    sizes = np.sort(0.02 / random.uniform(0.02, 1, random.integers(40, 160)))[::-1]
    for size in sizes:
        box, cover = _cover(
            random.uniform(-1, 1, 2),
            np.clip(size * random.uniform(0.4, 1.2, 2), 0.012, 0.8),
            random.uniform(0, TAU),
            float(random.choice((1.0, 2.0, 6.0))),
            random.uniform(0.006, 0.03),
            np.zeros(1),
        )
        canvas[box] += (random.uniform(0, 1) - canvas[box]) * cover
    canvas += random.uniform(0, 0.04) * texture(random, slope=random.uniform(0, 2.5))
    return np.clip(canvas, 0, 1)


def cloud(random: np.random.Generator) -> Floats:
    """A texture of its own slope, partly over air. `[256, 256]` float32 in [0, 1]."""
    field = 0.5 + random.uniform(0.1, 0.3) * texture(random, slope=random.uniform(1.5, 3.2))
    if random.random() < 0.6:
        field = field * (texture(random, slope=3.5) > random.uniform(-0.8, 0.5))
    return np.clip(field, 0, 1).astype(np.float32)
