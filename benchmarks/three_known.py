"""Three generators of a folder known, all of them asked about: the six networks and the spectrum.

    python benchmarks/three_known.py FOLDER --seeds 3

FOLDER has one folder of images per generator. Each seed draws three of them, and half of their
images are development; the others and all images of the other generators are test. Every network
is trained by the recipe `fingerprint` at its first depth and crop, without a search. The ensemble
is of those that have learned on development, as in the pipeline. Labels of test images score.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from sklearn.metrics import adjusted_rand_score

from ganamis.contracts import Embeddings, Extractor, Reference, view_means
from ganamis.data.content import content_descriptors
from ganamis.data.degradations import degrade
from ganamis.data.labelled import read_labelled
from ganamis.extractors.accuracy import held_out_accuracy
from ganamis.extractors.architectures import NETWORKS
from ganamis.extractors.candidates import candidate
from ganamis.extractors.fusion import fuse
from ganamis.model.backend import BackEnd
from ganamis.params import Params, load_params

KNOWN = 3
DEGRADATIONS = ("jpeg90", "resize75", "noise1")  # of the copies that teach what to ignore
HELD_OUT = 4  # every so many-th development image says whether a network has learned


class Draw:
    """One draw of what is known, and the answers that an extractor's features give."""

    def __init__(self, images: np.ndarray, generators: np.ndarray, *, seed: int) -> None:
        random = np.random.default_rng(seed)
        known = random.choice(np.unique(generators), KNOWN, replace=False)
        taught = np.zeros(len(images), dtype=bool)
        for name in known:
            rows = random.permutation(np.flatnonzero(generators == name))
            taught[rows[: len(rows) // 2]] = True
        order = np.argsort(generators[taught], kind="stable")
        self.images = images[taught][order]
        self.generators = generators[taught][order]
        self.asked, self.truth = images[~taught], generators[~taught]
        self.held_out = np.arange(len(self.images)) % HELD_OUT == 0
        self.content = content_descriptors(self.asked)

    def fit(self, name: str, params: Params, *, work: Path) -> Extractor:
        """The extractor trained on what is known and not held out, by its first trial."""
        chosen = candidate(name, params)
        labels = np.unique(self.generators, return_inverse=True)[1]
        return chosen.fit_final(
            self.images, labels, chosen.first[0], held_out=self.held_out, folder=work
        )

    def embed(self, extractor: Extractor) -> Embeddings:
        """Development, test, then each degraded copy of development."""
        copies = [degrade(self.images, kind, seed=0) for kind in DEGRADATIONS]
        features = [extractor.embed(part) for part in (self.images, self.asked, *copies)]
        ids = np.array([f"{row:06d}" for row in range(sum(map(len, features)))])
        return Embeddings(ids, np.concatenate(features), extractor.views)

    def score(self, stored: Embeddings, params: Params) -> tuple[float, float, float, int]:
        """Accuracy on held-out development; ARI given and found out, clusters found."""
        split = np.cumsum([len(self.images), len(self.asked)])
        taught, asked, copied = np.split(stored.features, split)
        each = np.split(view_means(copied, stored.views), len(DEGRADATIONS))
        copies = dict(zip(DEGRADATIONS, each, strict=True))
        reference = Reference(taught, self.generators, copies, stored.views)
        backend = BackEnd.fit(reference, settings=params.model, seed=params.seed).named()
        batch = backend.reduce(asked, stored.ids[: len(asked)], self.content, views=stored.views)
        count = len(np.unique(self.truth))
        given = backend.together(batch, clusters=count).labels
        found = backend.together(batch).labels
        accuracy = held_out_accuracy(
            view_means(taught, stored.views), self.generators, self.held_out
        )
        return (
            accuracy,
            float(adjusted_rand_score(self.truth, given)),
            float(adjusted_rand_score(self.truth, found)),
            len(np.unique(found)),
        )


def rows(draw: Draw, params: Params, *, work: Path) -> Iterator[tuple[str, str]]:
    learned = []
    for name in ("spectrum", *(f"{network}_fingerprint" for network in NETWORKS)):
        stored = draw.embed(draw.fit(name, params, work=work))
        scores = draw.score(stored, params)
        yield name, "{:.3f} | {:.3f} | {:.3f} ({})".format(*scores)
        if name != "spectrum" and scores[0] >= params.active.search.learned:
            learned.append(stored)
    if len(learned) > 1:
        _, *rest = draw.score(fuse(learned), params)
        yield f"ensemble of {len(learned)}", " | {:.3f} | {:.3f} ({})".format(*rest)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, help="of training; without it, as params.yaml says")
    parser.add_argument("--work", type=Path, default=Path("work/three_known"))
    given = parser.parse_args()
    params, images = load_params(), read_labelled(given.folder)
    if given.steps is not None:
        numbers = params.active.fingerprint.model_copy(update={"steps": given.steps})
        profile = params.active.model_copy(update={"fingerprint": numbers})
        params = params.model_copy(update={"profiles": {params.profile: profile}})
    for seed in range(given.seeds):
        draw = Draw(images.images, images.generators, seed=seed)
        known = ", ".join(np.unique(draw.generators))
        print(
            f"\n| seed {seed}: {known} | accuracy | given | found out |\n| --- | --- | --- | --- |"
        )
        for name, cells in rows(draw, params, work=given.work):
            print(f"| {name} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
