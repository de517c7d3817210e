"""`teach-search`: from simulated generators, learn when a group is two and how sure a number is.

What is learned ships with the package; it is not part of the default pipeline.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track
from sklearn.metrics import adjusted_rand_score

from ganamis.clustering.lessons import teach_cuts, teach_doubts
from ganamis.clustering.open_world import OpenWorld, discover, small_matrices
from ganamis.clustering.same_or_another import SameOrAnother, shipped_file
from ganamis.contracts import CLEAN, Embedded, Extractor, Reference
from ganamis.data.content import content_descriptors
from ganamis.data.degradations import MIX, degrade
from ganamis.data.prefetch import CORES, ahead
from ganamis.extractors.loading import shipped_fingerprint
from ganamis.files import whole_file
from ganamis.model.backend import BackEnd
from ganamis.model.catalogue import refer
from ganamis.model.drawing import REPEATED, Draws, WorldSeen
from ganamis.params import Params
from ganamis.report.figures import reliability_chart
from ganamis.simulation.postprocessing import shifted
from ganamis.simulation.world import World
from ganamis.stages.paths import WORK
from ganamis.stages.ship import drawn_zoo
from ganamis.stages.simulated import simulated_world

FEW_CONDITIONS = (CLEAN, "jpeg90")
ALL_CONDITIONS = (*FEW_CONDITIONS, "jpeg75", "noise1", "resize75", MIX, REPEATED)
SUBJECTS, COPIES = 20, 3  # of the repeated images of a generator
# Back ends that see the world: parts of the fingerprint (network, statistics, spectrum), the
# zoo's generators that taught them (None: all), and how often they are drawn.
PARTS = 3  # of equal width
FEW = ("dcgan", "vae", "diffusion")
BACK_ENDS = (
    ((0, 1, 2), None, 0.45),
    ((0, 1, 2), FEW, 0.2),
    ((2,), None, 0.15),
    ((0, 2), FEW, 0.2),
)
LARGE = 0.15  # how often the world of many images is drawn
BINS = (0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0)


def teach_search(params: Params) -> None:
    """Learn, judge on the held-out world, and write the result into the package."""
    numbers = params.simulated.search
    settings = OpenWorld(**params.model.open_world.search.model_dump())
    extractor = shipped_fingerprint()
    backends = list(_backends(extractor, params))
    seen = _lessons(extractor, backends, params)
    shares = [share for *_, share in BACK_ENDS] + [LARGE]
    # A quarter of the families judges the numbers found, and never teaches where to cut.
    teaching = [replace(one, drawn=np.delete(one.drawn, np.s_[::4])) for one in seen]
    judging = [replace(one, drawn=one.drawn[::4]) for one in seen]
    draws = Draws(teaching, shares, params.seed)
    rounds = (
        track(
            range(turn * numbers.draws, (turn + 1) * numbers.draws), description=f"Round {turn + 1}"
        )
        for turn in range(numbers.rounds)
    )
    cut = teach_cuts(draws, settings, rounds=rounds)
    others = Draws(judging, shares, params.seed + 1)
    counted = track(range(numbers.counted), description="Counting")
    test = SameOrAnother(cut, teach_doubts(others, settings, cut, numbers=counted))
    judged = _judged(test, settings, extractor, backends, params)
    card = {
        "command": "python -m ganamis teach-search",
        "seed": params.seed,
        "numbers": numbers.model_dump(),
        "held_out": judged,
    }
    test.save(shipped_file(), card=card)
    picture = WORK / "simulated" / "reliability.png"
    reliability_chart(judged["said_right_draws"], picture)
    print(f"Wrote '{shipped_file()}' and '{picture}': {judged}")


def _lessons(
    extractor: Extractor, backends: list[tuple[np.ndarray, BackEnd]], params: Params
) -> list[WorldSeen]:
    """A world of many generators through every back end, one of many images through the first."""
    numbers, folder, seed = params.simulated.search, WORK / "simulated", params.seed
    world = simulated_world(folder / "lessons", numbers.world, seed=seed + 2, kept_out=True)
    large = simulated_world(folder / "lessons-large", numbers.large, seed=seed + 3, kept_out=True)
    return [
        *_seen(world, extractor, backends, folder / "lessons", ALL_CONDITIONS, seed=seed),
        *_seen(large, extractor, backends[:1], folder / "lessons-large", FEW_CONDITIONS, seed=seed),
    ]


def _backends(extractor: Extractor, params: Params) -> Iterator[tuple[np.ndarray, BackEnd]]:
    """The columns of one view that each back end sees, and the back end."""
    images, names = drawn_zoo(params)
    conditions = (CLEAN, *params.active.degradations)
    reference = refer(extractor, images, names, conditions=conditions, seed=params.seed)
    width = reference.features.shape[1] // reference.views
    of_part = np.arange(width).reshape(PARTS, -1)
    for parts, generators, _ in BACK_ENDS:
        columns = of_part[list(parts)].ravel()
        chosen = np.full(len(names), True) if generators is None else np.isin(names, generators)
        some = reference.rows(chosen)
        features = _columns(some.features, columns, views=some.views)
        copies = {name: copy[:, columns] for name, copy in some.copies.items()}
        seen = Reference(features, some.generators, copies, some.views)
        yield columns, BackEnd.fit(seen, settings=params.model, seed=params.seed)


def _columns(features: np.ndarray, columns: np.ndarray, *, views: int) -> np.ndarray:
    return features.reshape(len(features), views, -1)[:, :, columns].reshape(len(features), -1)


def _seen(
    world: World,
    extractor: Extractor,
    backends: Iterable[tuple[np.ndarray, BackEnd]],
    folder: Path,
    conditions: Sequence[str],
    *,
    seed: int,
) -> list[WorldSeen]:
    """The world through every back end; the features stay in `folder` for another time."""
    count, images = world.images.shape[:2]
    plain = np.repeat(np.arange(count), images), np.tile(np.arange(images), count)
    subjects = min(SUBJECTS, images)
    repeated = (
        np.repeat(np.arange(count), subjects * COPIES),
        np.tile(np.repeat(np.arange(subjects), COPIES), count),
    )
    rows = {name: repeated if name == REPEATED else plain for name in conditions}
    with small_matrices():  # the last digits are another number of threads'
        tried = extractor.embed(world.images[0, :1])
    key = hashlib.sha256(tried.tobytes()).hexdigest()[:8]  # another extractor, other features
    stored = {
        name: _features(world, extractor, place, name, folder / f"{name}-{key}.npz", seed=seed)
        for name, place in rows.items()
    }
    return [
        WorldSeen(
            backend,
            {
                name: _embedded(raw, content, columns, backend, name, views=extractor.views)
                for name, (raw, content) in stored.items()
            },
            {name: place[0] for name, place in rows.items()},
            {name: place[1] for name, place in rows.items()},
            world.families,
            np.unique(world.families),
        )
        for columns, backend in backends
    ]


def _features(
    world: World,
    extractor: Extractor,
    place: tuple[np.ndarray, np.ndarray],
    condition: str,
    path: Path,
    *,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Features `[N, V * D]` float16 and content `[N, C]` of images under a condition.

    Args:
        place: generator `[N]` of each image, and its number `[N]` among that one's images.
    """
    if path.exists():
        with np.load(path) as kept:
            return kept["features"], kept["content"]

    generators, subjects = place

    def embed(generator: int) -> tuple[np.ndarray, np.ndarray]:
        images = np.asarray(world.images[generator][subjects[generators == generator]])
        if condition == REPEATED:
            random = np.random.default_rng((seed, generator))
            images = np.stack([shifted(image, random) for image in images])
        else:
            images = degrade(images, condition, seed=seed)
        return extractor.embed(images).astype(np.float16), content_descriptors(images)

    several = np.unique(generators)
    with small_matrices():
        embedded = ahead(embed, several.tolist(), pending=2 * CORES)
        shown = track(embedded, description=f"Embedding {condition}", total=len(several))
        parts = list(shown)
    features, content = (np.concatenate(part) for part in zip(*parts, strict=True))
    with whole_file(path) as temporary:
        np.savez(temporary, features=features, content=content)
    return features, content


def _embedded(
    raw: np.ndarray,
    content: np.ndarray,
    columns: np.ndarray,
    backend: BackEnd,
    condition: str,
    *,
    views: int,
) -> Embedded:
    """float16: thousands of images through several back ends; a draw makes it float32 again."""
    ids = np.array([f"{condition}-{row:06d}" for row in range(len(raw))])
    features = _columns(raw, columns, views=views).astype(np.float32)
    batch = backend.reduce(features, ids, content, views=views)
    return Embedded(ids, batch.features.astype(np.float16), content, views)


def _judged(
    test: SameOrAnother,
    settings: OpenWorld,
    extractor: Extractor,
    backends: list[tuple[np.ndarray, BackEnd]],
    params: Params,
) -> dict[str, Any]:
    """How well it does with the whole fingerprint on generators that taught nothing."""
    folder = WORK / "simulated" / "held-out"
    world = simulated_world(folder, params.simulated.held_out, seed=params.seed + 1, kept_out=True)
    seen = _seen(world, extractor, backends[:1], folder, ALL_CONDITIONS, seed=params.seed)
    draws = Draws(seen, [1], 0)
    scores, right, said = [], [], []
    for number in track(range(params.simulated.search.held_out), description="Judging"):
        scene, generators = draws(number)
        found = discover(scene, test, settings, count=None, seed=0)
        scores.append(adjusted_rand_score(generators, found.labels))
        right.append(found.labels.max() + 1 == len(np.unique(generators)))
        said.append(found.confidence or 0.0)
    place = np.digitize(said, BINS[1:-1])
    return {
        "generators": len(world.families),
        "adjusted_rand_index": round(float(np.mean(scores)), 3),
        "number_right": round(float(np.mean(right)), 3),
        "brier": round(float(np.mean((np.array(said) - right) ** 2)), 3),
        "said_right_draws": [
            [
                round(float(np.mean(np.array(said)[place == each])), 3),
                round(float(np.mean(np.array(right)[place == each])), 3),
                int((place == each).sum()),
            ]
            for each in np.unique(place)
        ],
    }
