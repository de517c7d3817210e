"""Folders drawn from a world of simulated generators: the search is taught and judged on them.

A draw decides how many generators there are, whether they are of one family, how many images each
gives, how all were processed, and whether they show few things over and over.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ganamis.clustering.evidence import Scene
from ganamis.clustering.methods import scene_of
from ganamis.contracts import Embedded
from ganamis.model.backend import BackEnd

REPEATED = "repeated"  # the condition whose images show a few things over and over
ALONE, REPEATING, RELATED = 0.15, 0.15, 0.5  # shares of the draws
MOST_GENERATORS, LEAST_IMAGES, MOST_IMAGES = 20, 5, 600
RAGGED = 0.2  # least share of the largest generator's images, where their numbers differ


@dataclass(frozen=True, eq=False)
class WorldSeen:
    """Images of G simulated generators as one back end sees them, under several conditions.

    embedded: of each condition. generators: `[N]` int of each condition's images. subjects: `[N]`
    int, what they show; alike in images that repeat one another. families: `[G]` int. drawn: those
    of them that may be drawn.
    """

    backend: BackEnd
    embedded: Mapping[str, Embedded]
    generators: Mapping[str, np.ndarray]
    subjects: Mapping[str, np.ndarray]
    families: np.ndarray
    drawn: np.ndarray

    @property
    def conditions(self) -> list[str]:
        """Those in which nothing is repeated."""
        return [name for name in self.embedded if name != REPEATED]


@dataclass(frozen=True)
class Draws:
    """Numbered draws: the same number, the same draw.

    seen: of which each draw takes one by chance. shares: their chances.
    """

    seen: Sequence[WorldSeen]
    shares: Sequence[float]
    seed: int

    def __call__(self, number: int) -> tuple[Scene, np.ndarray]:
        """A scene, and the generators `[N]` int of its images."""
        random = np.random.default_rng((self.seed, number))
        shares = np.array(self.shares) / sum(self.shares)
        seen = self.seen[random.choice(len(self.seen), p=shares)]
        repeated = REPEATED in seen.embedded and random.random() < REPEATING
        condition = REPEATED if repeated else str(random.choice(seen.conditions))
        chosen = self._generators(seen, random)
        rows = _images(seen, condition, chosen, random)
        batch = seen.embedded[condition].rows(rows)
        batch = Embedded(batch.ids, batch.features.astype(np.float32), batch.content, batch.views)
        scene, order = scene_of(batch, seen.backend.space(batch))
        return scene, seen.generators[condition][rows][order]

    @staticmethod
    def _generators(seen: WorldSeen, random: np.random.Generator) -> np.ndarray:
        """Whole families one after the other, or one generator of each."""
        order = [
            random.permutation(np.flatnonzero(seen.families == family))
            for family in random.permutation(seen.drawn)
        ]
        related = random.random() < RELATED
        queue = np.concatenate(order if related else [members[:1] for members in order])
        if random.random() < ALONE:
            return queue[:1]
        most = min(MOST_GENERATORS, len(queue))
        return queue[: round(np.exp(random.uniform(np.log(min(2, most)), np.log(most))))]


def _images(
    seen: WorldSeen, condition: str, chosen: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """Row numbers of the images that the chosen generators give."""
    generators, subjects = seen.generators[condition], seen.subjects[condition]
    most = min(int((generators == chosen[0]).sum()), MOST_IMAGES // len(chosen))
    count = round(np.exp(random.uniform(np.log(LEAST_IMAGES), np.log(most))))
    ragged = random.random() < 0.5
    copies = int(random.integers(2, 4)) if condition == REPEATED else 1
    rows = []
    for generator in chosen:
        share = np.exp(random.uniform(np.log(RAGGED), 0)) if ragged else 1.0
        own = random.permutation(np.flatnonzero(generators == generator))
        wanted = max(LEAST_IMAGES, round(count * share))
        if copies > 1:  # all images of as few subjects as give that many
            shown = random.permutation(np.unique(subjects[own]))[: -(-wanted // copies)]
            own = np.concatenate([own[subjects[own] == one][:copies] for one in shown])
        rows.append(own[:wanted])
    return np.concatenate(rows)
