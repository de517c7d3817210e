"""Training of one generator on the real series: crops, checkpoints, loss curve, card.

Run as `python -m ganamis.zoo.training NAME --folder FOLDER`; the command line calls `train`.
"""

import argparse
import csv
import json
import math
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ganamis.files import resuming
from ganamis.zoo.generators import Generator, generator
from ganamis.zoo.geometry import CODE_SIZE, SCALE, reduce
from ganamis.zoo.series import WINDOW_HU, training_bank
from ganamis.zoo.weights import save_arrays, save_weights

if TYPE_CHECKING:
    from ganamis.zoo.objectives import Batch

CROP = 96
BANK_SIZE = 600
BANK_SEED = 20240601
CHECKPOINT_EVERY = 50
LOG_EVERY = 10


@dataclass(frozen=True)
class Card:
    """What a training run was; written as JSON beside the weights.

    Attributes:
        name: Generator.
        commit: Git commit of the code, or "unknown" outside a checkout.
        seed: Seed of weights and batches.
        steps: Training steps.
        wall_seconds: Time spent in steps, over all sessions of a resumed run.
        parameters: Numbers in the shipped network.
        window_hu: Lung window of the training slices.
        final_losses: Mean of each loss over the last tenth of the curve.
    """

    name: str
    commit: str
    seed: int
    steps: int
    wall_seconds: float
    parameters: int
    window_hu: tuple[float, float]
    final_losses: dict[str, float]


def train(name: str, *, folder: Path, seed: int | None = None, steps: int | None = None) -> Card:
    """Train one generator, or go on from its checkpoint.

    Writes `<name>.npz` (float16 weights), `<name>.csv` (loss curve) and `<name>.json` (card) to
    `folder`; `<name>.checkpoint.npz` is there while the run is unfinished and after it.

    Args:
        name: One of `generators.GENERATORS`.
        folder: Where to write.
        seed: Of weights and batches; None takes the generator's own.
        steps: Training steps; None takes the generator's own.

    Returns:
        The card.

    Raises:
        ValueError: Unknown generator.
        ModuleNotFoundError: The extra `[zoo]` is not installed.
    """
    spec = generator(name)
    seed = spec.seed if seed is None else seed
    steps = spec.steps if steps is None else steps
    folder.mkdir(parents=True, exist_ok=True)
    commit = _commit()
    run = _Run(spec, seed=seed, steps=steps, checkpoint=folder / f"{name}.checkpoint.npz")
    bank = _cached_bank(folder)
    while run.step < steps:
        run.advance(bank)
        if run.step % CHECKPOINT_EVERY == 0 or run.step == steps:
            run.save()
            _write_curve(folder / f"{name}.csv", run.curve)
    run.use_average()
    save_weights(folder / f"{name}.npz", run.sampler)
    tail = run.curve[-max(1, len(run.curve) // 10) :]
    losses = {key: float(np.mean([row[key] for row in tail])) for key in tail[0] if key != "step"}
    card = Card(
        name=name,
        commit=commit,
        seed=seed,
        steps=steps,
        wall_seconds=round(run.seconds, 1),
        parameters=run.sampler.count_params(),
        window_hu=WINDOW_HU,
        final_losses=losses,
    )
    (folder / f"{name}.json").write_text(json.dumps(asdict(card), indent=2) + "\n")
    return card


class _Run:
    """A training run's whole state: what a checkpoint holds."""

    def __init__(self, spec: Generator, *, seed: int, steps: int, checkpoint: Path) -> None:
        import keras
        import tensorflow as tf

        from ganamis.zoo.objectives import AVERAGE_DECAY, CRITIC_RATE_SHARE, OBJECTIVES

        keras.utils.set_random_seed(seed)
        self.spec, self.seed, self.steps, self.checkpoint = spec, seed, steps, checkpoint
        self.decay, self.critic_share = AVERAGE_DECAY, CRITIC_RATE_SHARE
        self.sampler = spec.build()
        self.objective = OBJECTIVES[spec.objective](self.sampler, rate=spec.rate)
        self.step, self.seconds = 0, 0.0
        self.curve: list[dict[str, float]] = []
        self.last_losses: dict[str, float] = {}
        self._phases = [(start, tf.function(step)) for start, step in self.objective.phases()]
        self._build()
        self.average = [weight.numpy() for weight in self.sampler.trainable_variables]
        if checkpoint.exists():
            with resuming(checkpoint, what="the training"):
                self._load()

    def _build(self) -> None:
        image = np.zeros((1, CROP, CROP, 1), np.float32)
        code = np.zeros((1, CROP // SCALE, CROP // SCALE, 1), np.float32)
        noise = np.zeros((*code.shape[:3], self.spec.noise_channels), np.float32)
        self.sampler((code, noise))
        for helper in self.objective.helpers.values():
            helper((image, code))
        for name, variables in self.objective.trained().items():
            self.objective.optimizers[name].build(variables)

    def advance(self, bank: NDArray[np.uint8]) -> None:
        """One step, with a batch that depends on seed and step only."""
        import tensorflow as tf

        started = time.perf_counter()
        batch = draw_batch(bank, self.spec, seed=self.seed, step=self.step)
        progress = self.step / self.steps
        for name, optimizer in self.objective.optimizers.items():
            share = self.critic_share if name == "critic" else 1.0
            optimizer.learning_rate = self.spec.rate * share * schedule(progress)
        step = [step for start, step in self._phases if progress >= start][-1]
        losses = step(batch, tf.constant(progress, tf.float32))
        decay = min(self.decay, self.step / (self.step + 10))
        for mean, weight in zip(self.average, self.sampler.trainable_variables, strict=True):
            mean += (1 - decay) * (weight.numpy() - mean)
        self.step += 1
        self.last_losses = {key: float(value) for key, value in losses.items()}
        self.seconds += time.perf_counter() - started
        if self.step % LOG_EVERY == 0 or self.step == self.steps:
            self.curve.append({"step": float(self.step), **self.last_losses})
            shown = " ".join(f"{key}={value:.4f}" for key, value in self.last_losses.items())
            print(f"{self.step}/{self.steps} {self.seconds:.0f}s {shown}", flush=True)

    def use_average(self) -> None:
        """Put the running average of the weights into the sampler."""
        for mean, weight in zip(self.average, self.sampler.trainable_variables, strict=True):
            weight.assign(mean)

    def _variables(self) -> list[Any]:
        networks = [self.sampler, *self.objective.helpers.values()]
        variables = [variable for network in networks for variable in network.weights]
        return variables + [v for o in self.objective.optimizers.values() for v in o.variables]

    def save(self) -> None:
        """Write the checkpoint."""
        arrays = {f"v{i:04d}": np.asarray(v) for i, v in enumerate(self._variables())}
        arrays |= {f"a{i:04d}": mean for i, mean in enumerate(self.average)}
        curve = np.frombuffer(json.dumps(self.curve).encode(), np.uint8)
        arrays |= {"step": np.array(self.step), "seconds": np.array(self.seconds), "curve": curve}
        save_arrays(self.checkpoint, arrays)

    def _load(self) -> None:
        with np.load(self.checkpoint, allow_pickle=False) as file:
            for i, variable in enumerate(self._variables()):
                variable.assign(file[f"v{i:04d}"])
            self.average = [file[f"a{i:04d}"] for i in range(len(self.average))]
            self.step, self.seconds = int(file["step"]), float(file["seconds"])
            self.curve = json.loads(file["curve"].tobytes())


def schedule(progress: float) -> float:
    """Share of the highest learning rate: a short warm-up, then half a cosine down to 5 %."""
    return min(1.0, progress / 0.02 + 0.05) * (0.525 + 0.475 * math.cos(math.pi * progress))


def draw_batch(bank: NDArray[np.uint8], spec: Generator, *, seed: int, step: int) -> "Batch":
    """Crop a batch, on the grid of the codes, 96x96 pixels each."""
    from ganamis.zoo.objectives import Batch

    rng = np.random.default_rng((seed, step))
    cells = CROP // SCALE
    crops = []
    for i in rng.integers(len(bank), size=spec.batch):
        # Away from the border of the slice, which is air.
        row, column = rng.integers(2, CODE_SIZE - cells - 1, size=2) * SCALE
        crops.append(bank[i, row : row + CROP, column : column + CROP])
    real = np.stack(crops).astype(np.float32)[..., None] / 255
    return Batch(
        real=real,
        code=reduce(real[..., 0])[..., None],
        noise=rng.standard_normal((spec.batch, cells, cells, spec.noise_channels), np.float32),
        uniform=rng.random(spec.batch, np.float32),
    )


def _cached_bank(folder: Path) -> NDArray[np.uint8]:
    path = folder / "bank.npz"
    if not path.exists():
        save_arrays(path, {"bank": training_bank(BANK_SIZE, seed=BANK_SEED)})
    with np.load(path, allow_pickle=False) as file:
        bank: NDArray[np.uint8] = file["bank"]
    return bank


def _write_curve(path: Path, curve: list[dict[str, float]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(curve[0]) if curve else ["step"])
        writer.writeheader()
        writer.writerows(curve)


def _commit() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short=12", "HEAD"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return answer.stdout.strip() or "unknown"


def main() -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--steps", type=int)
    arguments = parser.parse_args()
    card = train(
        arguments.name, folder=arguments.folder, seed=arguments.seed, steps=arguments.steps
    )
    print(json.dumps(asdict(card)))


if __name__ == "__main__":
    main()
