"""`pretrain`: teach the first layers of the six networks on a simulated world, for `weights:
simulated`; not part of the default pipeline."""

import numpy as np

from ganamis.extractors.architectures import NETWORKS
from ganamis.extractors.pretrained import CARD_FILE, pretrained_file, pretrained_folder
from ganamis.extractors.pretraining import Pretrainer, Pretraining
from ganamis.extractors.simulated_batches import BatchPlan, draw_batch
from ganamis.files import write_json
from ganamis.params import Params
from ganamis.stages.paths import WORK
from ganamis.stages.simulated import simulated_world


def pretrain(params: Params) -> None:
    """Go on from `work/simulated` and write each network into the package as it is done."""
    import keras

    numbers = params.simulated
    own = numbers.pretraining
    world = simulated_world(
        WORK / "simulated" / "teaching", numbers.teaching, seed=params.seed, kept_out=False
    )
    batch = BatchPlan(numbers.generators, numbers.crops, numbers.siblings, (own.side,))

    def draw(step: int) -> tuple[np.ndarray, np.ndarray]:
        return draw_batch([world], batch, np.random.default_rng((params.seed, 8, step)))

    losses: dict[str, float] = {}
    for name in NETWORKS:
        network = dict(params.active.extractors)[f"{name}_fingerprint"]
        plan = Pretraining(at=tuple(network.depths), **own.model_dump())
        folder = WORK / "simulated" / "first-layers" / name
        trainer = Pretrainer(name, plan, seed=params.seed, folder=folder)

        def report(step: int, loss: float, name: str = name, steps: int = plan.steps) -> None:
            losses[name] = loss
            print(f"{name}, step {step} of {steps}: loss {loss:.3f}", flush=True)

        trainer.run(draw, report)
        trainer.keep(pretrained_file(name))
    card = {
        "command": "python -m ganamis pretrain",
        "seed": params.seed,
        "backend": keras.backend.backend(),
        "world": numbers.teaching.model_dump(),
        "batch": {"generators": numbers.generators, "crops": numbers.crops},
        "numbers": own.model_dump(),
        "loss": losses,
    }
    write_json(pretrained_folder() / CARD_FILE, card)
    print(f"Wrote '{pretrained_folder()}'")
