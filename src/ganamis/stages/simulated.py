"""`train-simulated`: draw simulated worlds, teach a network on one, keep what judges best on
the other; not part of the default pipeline."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from ganamis.contracts import Extractor
from ganamis.extractors.discriminant import Discriminant, learn
from ganamis.extractors.fusion import Fusion
from ganamis.extractors.residual_statistics import ResidualStatistics
from ganamis.extractors.simulated_batches import BatchPlan
from ganamis.extractors.simulated_judgement import held_out_score
from ganamis.extractors.simulated_network import (
    Shape,
    SimulatedNetwork,
    shipped_folder,
)
from ganamis.extractors.simulated_training import Trainer, TrainingPlan
from ganamis.extractors.spectrum import Spectrum
from ganamis.files import whole_folder, write_json
from ganamis.params import Params, SimulatedWorld
from ganamis.simulation.content import draw_bank
from ganamis.simulation.world import World
from ganamis.simulation.worlds import draw_world
from ganamis.stages.paths import WORK

JUDGED = 8  # checkpoints, evenly spaced, that are judged
CONDITIONS = ("clean", "jpeg90", "jpeg75", "noise1", "resize75")


def train_simulated(params: Params) -> None:
    """Go on from `work/simulated` and write the network into the package."""
    numbers = params.simulated
    folder = WORK / "simulated"
    teaching = simulated_world(
        folder / "teaching", numbers.teaching, seed=params.seed, kept_out=False
    )
    held_out = simulated_world(
        folder / "held-out", numbers.held_out, seed=params.seed + 1, kept_out=True
    )
    plan = training_plan(params)
    trainer = Trainer(plan, seed=params.seed, folder=folder / "training")

    def report(step: int, loss: float) -> None:
        network = SimulatedNetwork(plan.shape, tuple(trainer.averaged))
        if step == plan.steps or step // plan.every % _stride(plan) == 0:
            network.save(folder / "checkpoints" / f"{step:06d}")
        print(f"step {step} of {plan.steps}: loss {loss:.3f}", flush=True)

    trainer.run([teaching], report)
    networks = {
        int(path.name): _projected(SimulatedNetwork.load(path), teaching, params)
        for path in sorted((folder / "checkpoints").iterdir())
    }
    scores = {step: judge(network, held_out, params) for step, network in networks.items()}
    best = max(scores, key=lambda step: np.mean(list(scores[step].values())))
    fusion = fused(networks[best], teaching, params)
    with whole_folder(shipped_folder()) as target:
        fusion.save(target)
        card = {
            "command": "python -m ganamis train-simulated",
            "seed": params.seed,
            "step": best,
            "numbers": numbers.model_dump(),
            "held_out": {"network": scores[best], "fusion": judge(fusion, held_out, params)},
            "score": "adjusted Rand index, number of generators given, none of them trained on",
        }
        write_json(target / "card.json", card)
    print(f"Wrote '{shipped_folder()}': {card['held_out']}")


def _projected(extractor: Extractor, teaching: World, params: Params) -> Discriminant:
    numbers = params.simulated
    return learn(
        extractor,
        [teaching],
        dimensions=numbers.dimensions,
        images=numbers.taught_images,
        seed=params.seed,
    )


def fused(network: Discriminant, teaching: World, params: Params) -> Fusion:
    """The network beside residual statistics and spectra, each whitened on its own."""
    grid = params.simulated.grid
    first = params.active.extractors.spectrum.first_trial
    others = (
        ResidualStatistics(grid=grid),
        Spectrum(grid=grid, periods=(first.fine, first.coarse), threads=1),
    )
    parts = (network, *(_projected(other, teaching, params) for other in others))
    return Fusion(parts, (1.0,) * len(parts))


def training_plan(params: Params) -> TrainingPlan:
    """The numbers of params.yaml as a plan."""
    numbers = params.simulated
    shape = Shape(
        tuple(numbers.channels), tuple(numbers.sizes), tuple(numbers.strides), numbers.grid
    )
    batch = BatchPlan(numbers.generators, numbers.crops, numbers.siblings, tuple(numbers.sides))
    return TrainingPlan(
        shape, batch, numbers.steps, numbers.rate, numbers.temperature, numbers.every
    )


def judge(extractor: Extractor, held_out: World, params: Params) -> dict[str, float]:
    """Scores on the held-out world, one for each condition; nothing else is looked at."""
    numbers = params.simulated
    some = replace(held_out, images=held_out.images[:, : numbers.teaching.images])
    return held_out_score(
        extractor,
        some,
        conditions=CONDITIONS,
        draws=numbers.draws,
        draw=numbers.draw,
        seed=params.seed,
    )


def _stride(plan: TrainingPlan) -> int:
    return max(1, plan.steps // plan.every // JUDGED)


def simulated_world(folder: Path, numbers: SimulatedWorld, *, seed: int, kept_out: bool) -> World:
    """The world in `folder`, drawn where it is not there yet."""
    if not (folder / "world.json").exists():
        print(f"Drawing {numbers.generators} generators into '{folder}'.", flush=True)
        bank = draw_bank(numbers.bank, seed=seed)
        with whole_folder(folder) as target:
            draw_world(
                target,
                count=numbers.generators,
                images=numbers.images,
                bank=bank,
                seed=seed,
                kept_out=kept_out,
            )
    return World.load(folder)
