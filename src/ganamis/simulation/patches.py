"""Generators that draw patch by patch, as vector-quantising and attending ones do."""

from dataclasses import dataclass

import numpy as np

KEYS = 48  # patches that a patch attends to


@dataclass(frozen=True)
class PatchDecoder:
    """Codes every `side` x `side` patch by a few numbers and draws it again from a basis.

    basis: `[K, side**2]` orthonormal rows. entries: `[E, K]` codebook, empty without one.
    attention: how much of a code is replaced by codes alike, 0 without. temperature: of it.
    seam: weight of a second drawing, shifted by half a patch, that hides the seams.
    """

    side: int
    basis: np.ndarray
    entries: np.ndarray
    attention: float
    temperature: float
    seam: float

    def draw(self, images: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """`[N, H, W]` float32 in [0, 1] -> the same shape."""
        drawn = np.stack([self._draw(image, random) for image in images])
        if self.seam:
            half = self.side // 2
            moved = np.roll(images, (half, half), (1, 2))
            again = np.stack([self._draw(image, random) for image in moved])
            drawn += self.seam * (np.roll(again, (-half, -half), (1, 2)) - drawn)
        return drawn

    def _draw(self, image: np.ndarray, random: np.random.Generator) -> np.ndarray:
        rows, columns = image.shape[0] // self.side, image.shape[1] // self.side
        patches = cut(image, self.side)
        means = patches.mean(axis=1, keepdims=True)
        codes = (patches - means) @ self.basis.T
        if self.attention:
            keys = codes[random.permutation(len(codes))[:KEYS]]
            nearness = codes @ keys.T - 0.5 * (keys**2).sum(axis=1)
            weights = np.exp((nearness - nearness.max(axis=1, keepdims=True)) / self.temperature)
            mixed = weights @ keys / weights.sum(axis=1, keepdims=True)
            codes = codes + self.attention * (mixed - codes)
        if len(self.entries):
            nearness = codes @ self.entries.T - 0.5 * (self.entries**2).sum(axis=1)
            codes = self.entries[nearness.argmax(axis=1)]
        drawn = (means + codes @ self.basis).reshape(rows, columns, self.side, self.side)
        full = drawn.transpose(0, 2, 1, 3).reshape(rows * self.side, columns * self.side)
        whole = image.copy()
        whole[: full.shape[0], : full.shape[1]] = full
        return whole


def cut(image: np.ndarray, side: int) -> np.ndarray:
    """Non-overlapping patches `[P, side**2]` of `[H, W]`."""
    rows, columns = image.shape[0] // side, image.shape[1] // side
    whole = image[: rows * side, : columns * side].reshape(rows, side, columns, side)
    return whole.transpose(0, 2, 1, 3).reshape(-1, side**2)


def learn_decoder(bank: np.ndarray, random: np.random.Generator, *, attends: bool) -> PatchDecoder:
    """A random patch decoder whose basis and codebook come from a few slices of `bank`."""
    side = int(random.choice((4, 6, 8)))
    slices = bank[random.integers(len(bank), size=12)].astype(np.float32)
    patches = np.concatenate([cut(image, side) for image in slices])
    patches = patches - patches.mean(axis=1, keepdims=True)
    patches = patches[patches.std(axis=1) > 0.01]
    kept = int(random.integers(side, 3 * side))
    jitter = random.standard_normal((side**2, side**2)) * random.uniform(0, 0.3)
    spread = patches.T @ patches / len(patches)
    _, directions = np.linalg.eigh(spread + 1e-3 * np.trace(spread) / side**2 * (jitter + jitter.T))
    basis = np.ascontiguousarray(directions[:, ::-1][:, :kept].T).astype(np.float32)
    entries = np.empty((0, kept), np.float32)
    if random.random() < (0.25 if attends else 0.75):
        codes = patches @ basis.T
        chosen = codes[random.permutation(len(codes))[: int(random.choice((128, 256, 512)))]]
        entries = np.concatenate([chosen, np.zeros((1, kept), np.float32)]).astype(np.float32)
    return PatchDecoder(
        side=side,
        basis=basis,
        entries=entries,
        attention=float(random.uniform(0.3, 0.9)) if attends else 0.0,
        temperature=float(random.uniform(0.002, 0.02)),
        seam=float(random.choice((0.0, 0.5, random.uniform(0, 0.5)))),
    )
