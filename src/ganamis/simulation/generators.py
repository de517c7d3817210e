"""Random generators from seeds, in families: one architecture, several sets of weights.

Members of a family are different generators: they share everything but their weights.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ganamis.simulation.finishing import Finish, draw_finish
from ganamis.simulation.networks import (
    Kernels,
    Network,
    draw_network,
    forward,
    new_kernels,
)
from ganamis.simulation.patches import PatchDecoder, learn_decoder
from ganamis.simulation.phantoms import SIDE
from ganamis.simulation.restorers import Restorer, draw_restorer
from ganamis.simulation.schooling import School, Schooling, small_of
from ganamis.simulation.spectra import SpectralEnlarger, draw_spectral

# Shares in a training world; the kinds kept out of it stand in held-out worlds beside them.
KINDS = {
    "trained": 0.45,  # super-resolvers with a brief training
    "untrained": 0.15,  # interpolation and random layers, high-passed
    "decoder": 0.2,  # from codes an eighth as large, with noise
    "denoiser": 0.08,  # a network that takes noise away, several times
    "restorer": 0.06,
    "patches": 0.06,
}
KEPT_OUT = {"spectral": 0.5, "attention": 0.5}
Stage = PatchDecoder | Restorer | SpectralEnlarger


@dataclass(frozen=True)
class Architecture:
    """What the members of a family share.

    kind: see `KINDS`. scale: of the enlargement. reduction: how content is made small.
    enlarge: interpolation where no network enlarges. offset: first row and column shown. stage:
    what is not a network. rounds, level: of a denoiser's passes and the noise it adds.
    """

    kind: str
    scale: int
    reduction: str
    enlarge: str
    offset: tuple[int, int]
    finish: Finish
    network: Network | None
    school: School | None
    stage: Stage | None
    rounds: int
    level: float


@dataclass(frozen=True)
class Generator:
    """One generator. family: number of its architecture. kernels: weights of its network."""

    family: int
    architecture: Architecture
    kernels: Kernels | None
    weights: tuple[np.ndarray, ...]

    def draw(self, content: np.ndarray, *, seed: int) -> np.ndarray:
        """Draw `[N, 256, 256]` uint8 from content `[N, 256, 256]` in [0, 1]."""
        random = np.random.default_rng((seed, self.family))
        shape = self.architecture
        if self.kernels is not None:
            self.kernels.assign(list(self.weights))
        margin = -SIDE % shape.scale
        padded = np.pad(content.astype(np.float32), ((0, 0), (0, margin), (0, margin)), "edge")
        small = small_of(padded, shape.scale, shape.reduction)
        large = self._enlarged(small, random)
        y, x = (min(o, margin) for o in shape.offset)
        large = large[:, y : y + SIDE, x : x + SIDE]
        if isinstance(shape.stage, PatchDecoder | Restorer):
            large = shape.stage.draw(large, random)
        return shape.finish.draw(large, random)

    def _enlarged(self, small: np.ndarray, random: np.random.Generator) -> np.ndarray:
        shape = self.architecture
        if isinstance(shape.stage, SpectralEnlarger):
            return shape.stage.draw(small, shape.scale)
        if shape.network is not None and shape.network.scale > 1:
            return self._network(small, random)
        large = _interpolated(small, shape.scale, shape.enlarge)
        for step in range(shape.rounds):
            level = shape.level * (1 - 0.5 * step / shape.rounds)
            noise = level * random.standard_normal(large.shape, np.float32)
            large = self._network(large + noise, random)
        return large

    def _network(self, small: np.ndarray, random: np.random.Generator) -> np.ndarray:
        network, kernels = self.architecture.network, self.kernels
        assert network is not None and kernels is not None
        noise = random.standard_normal((*small.shape, network.noise), np.float32)
        drawn = [
            forward(network, kernels, small[i : i + 4, ..., None], noise[i : i + 4]).numpy()
            for i in range(0, len(small), 4)
        ]
        return np.concatenate(drawn)[..., 0]


def _interpolated(small: np.ndarray, scale: int, method: str) -> np.ndarray:
    from ganamis.simulation.kernels import resize

    return small if scale == 1 else resize(small[..., None], scale, method).numpy()[..., 0]


def draw_architecture(random: np.random.Generator, kind: str, bank: np.ndarray) -> Architecture:
    """A random architecture of a kind; `bank` teaches those that need content."""
    scale = int(random.choice((2, 3, 4, 8), p=(0.35, 0.1, 0.4, 0.15)))
    network: Network | None = None
    school: School | None = None
    stage: Stage | None = None
    if kind == "decoder":
        scale = 8
        network = replace(
            draw_network(random, scale=8, width=20),
            skip=str(random.choice(("nearest", "bilinear", "bicubic"))),
            noise=6,
            narrow=1.4,
        )
        school = draw_school(random, steps=70)
    elif kind == "trained":
        network = draw_network(random, scale=scale, width=16)
        school = draw_school(random, steps=110)
    elif kind == "untrained":
        network = replace(
            draw_network(random, scale=scale, width=8),
            skip=str(random.choice(("nearest", "bilinear", "bicubic"))),
            weight=float(np.exp(random.uniform(np.log(0.02), np.log(0.4)))),
            detail=True,
        )
    elif kind == "denoiser":
        scale = int(random.choice((1, 2, 4)))
        network = replace(draw_network(random, scale=1, width=8), noise=0, norm="none")
        school = replace(draw_school(random, steps=50), noise=random.uniform(0.01, 0.06))
    elif kind == "restorer":
        scale, stage = int(random.choice((1, 2, 4))), draw_restorer(random)
    elif kind in ("patches", "attention"):
        scale = int(random.choice((1, 2)))
        stage = learn_decoder(bank, random, attends=kind == "attention")
    else:
        stage = draw_spectral(random)
    return Architecture(
        kind=kind,
        scale=scale,
        reduction=str(random.choice(("area", "blurred", "taken"), p=(0.7, 0.2, 0.1))),
        enlarge=str(random.choice(("nearest", "bilinear", "bicubic"), p=(0.2, 0.4, 0.4))),
        offset=(int(random.integers(3)), int(random.integers(3))),
        finish=draw_finish(random),
        network=network,
        school=school,
        stage=stage,
        rounds=int(random.integers(1, 4)) if kind == "denoiser" else 0,
        level=school.noise if school else 0.0,
    )


def draw_school(random: np.random.Generator, *, steps: int) -> School:
    return School(
        steps=int(steps * random.uniform(0.5, 1.5)),
        rate=float(np.exp(random.uniform(np.log(1e-3), np.log(6e-3)))),
        power=int(random.choice((1, 2))),
        texture=float(random.choice((0.0, 0.01, 0.03))),
        noise=0.0,
    )


def draw_family(
    number: int, kind: str, *, members: int, bank: np.ndarray, seed: int
) -> Iterator[Generator]:
    """Draw one family.

    Args:
        number: of the family. kind: see `KINDS` and `KEPT_OUT`.
        members: generators; one where the kind has no weights.
        bank: content `[N, 256, 256]` float16, that networks are trained on.
    """
    random = np.random.default_rng((seed, number, 3))
    architecture = draw_architecture(random, kind, bank)
    network, school = architecture.network, architecture.school
    if network is None:
        yield Generator(number, architecture, None, ())
        return
    kernels = new_kernels(network, random)
    schooling = Schooling(network, kernels, school) if school else None
    # Later members start from the first one's weights, or from others altogether.
    nearness = random.choice((0.0, 1.0)) * random.uniform(0.03, 0.3)
    parent: list[np.ndarray] = []
    for member in range(members):
        own = np.random.default_rng((seed, number, 4, member))
        kernels.redraw(own)
        if parent and nearness:
            kernels.assign(
                [w + nearness * (v - w) for w, v in zip(parent, kernels.values(), strict=True)]
            )
        if schooling is not None:
            schooling.run(bank, reduction=architecture.reduction, random=own)
        parent = parent or kernels.values()
        yield Generator(number, architecture, kernels, tuple(kernels.values()))
