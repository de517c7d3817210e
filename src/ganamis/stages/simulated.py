"""`train-simulated`: draw simulated worlds, teach a network on one, keep what judges best on
the other; not part of the default pipeline."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from ganamis.extractors.simulated_batches import BatchPlan
from ganamis.extractors.simulated_judgement import held_out_score, within_generators
from ganamis.extractors.simulated_network import (
    Shape,
    SimulatedNetwork,
    shipped_folder,
)
from ganamis.extractors.simulated_training import Trainer, TrainingPlan
from ganamis.files import whole_folder, write_json
from ganamis.params import Params, SimulatedWorld
from ganamis.simulation.content import draw_bank
from ganamis.simulation.worlds import World, draw_world
from ganamis.stages.paths import WORK

JUDGED = 8  # checkpoints, evenly spaced, that are judged
CONDITIONS = ("clean", "jpeg90", "jpeg75", "noise1", "resize75")


def train_simulated(params: Params) -> None:
    """Go on from `work/simulated` and write the network into the package."""
    numbers = params.simulated
    folder = WORK / "simulated"
    teaching = _world(folder / "teaching", numbers.teaching, seed=params.seed, kept_out=False)
    held_out = _world(folder / "held-out", numbers.held_out, seed=params.seed + 1, kept_out=True)
    plan = training_plan(params)
    trainer = Trainer(plan, seed=params.seed, folder=folder / "training")

    def report(step: int, loss: float) -> None:
        network = SimulatedNetwork(plan.shape, tuple(trainer.averaged))
        if step == plan.steps or step // plan.every % _stride(plan) == 0:
            network.save(folder / "checkpoints" / f"{step:06d}")
        print(f"step {step} of {plan.steps}: loss {loss:.3f}", flush=True)

    trainer.run([teaching], report)
    scores = {
        path.name: judge(SimulatedNetwork.load(path), teaching, held_out, params)
        for path in sorted((folder / "checkpoints").iterdir())
    }
    best = max(scores, key=lambda name: np.mean(list(scores[name].values())))
    with whole_folder(shipped_folder()) as target:
        SimulatedNetwork.load(folder / "checkpoints" / best).save(target)
        write_json(target / "card.json", _card(params, int(best), scores[best]))
    print(f"Wrote '{shipped_folder()}': {scores[best]}")


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


def judge(
    network: SimulatedNetwork, teaching: World, held_out: World, params: Params
) -> dict[str, float]:
    """Scores on the held-out world, one for each condition; nothing else is looked at."""
    numbers = params.simulated
    whitening = within_generators(
        network, teaching, generators=numbers.held_out.generators, seed=params.seed
    )
    some = replace(held_out, images=held_out.images[:, : numbers.teaching.images])
    return held_out_score(
        network,
        whitening,
        some,
        conditions=CONDITIONS,
        draws=numbers.draws,
        draw=numbers.draw,
        seed=params.seed,
    )


def _stride(plan: TrainingPlan) -> int:
    return max(1, plan.steps // plan.every // JUDGED)


def _world(folder: Path, numbers: SimulatedWorld, *, seed: int, kept_out: bool) -> World:
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


def _card(params: Params, step: int, scores: dict[str, float]) -> dict[str, object]:
    return {
        "command": "python -m ganamis train-simulated",
        "seed": params.seed,
        "step": step,
        "numbers": params.simulated.model_dump(),
        "held_out": scores,
        "score": "adjusted Rand index, number of generators given, generators never trained on",
    }
