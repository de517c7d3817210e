"""Teach the first layers of one of the six networks on simulated generators, stopped and resumed
at will.

The loss is that of the recipe `fingerprint`, at all strides at once that its search may read, so
that one set of weights serves them all. Keras alone is used, so that any of its backends will do.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ganamis.extractors.architectures import READ, build_readings, set_momentum
from ganamis.extractors.pretrained import keep
from ganamis.extractors.residual_network import contrastive_loss
from ganamis.files import resuming, whole_file

PROJECTION = 64  # dimensions in which the loss compares
STATE_FILE = "state.npz"
WARMING_STEPS = 100
LEAST_RATE = 0.02  # share of the rate at the end
CLIPPED = 5.0  # norm of the gradient

Draw = Callable[[int], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Pretraining:
    """at: strides read. side: pixels of a crop. steps, rate, temperature: of the training. every:
    steps between checkpoints. momentum: of batch normalisation's moving averages."""

    at: tuple[int, ...]
    side: int
    steps: int
    every: int
    rate: float
    temperature: float
    momentum: float


class Pretrainer:
    """A network with its heads and optimiser, and their state on disk."""

    def __init__(self, name: str, plan: Pretraining, *, seed: int, folder: Path) -> None:
        import keras

        keras.utils.set_random_seed(seed)
        self.name, self.plan, self.folder = name, plan, folder
        self.readings = build_readings(name, crop=plan.side, at=plan.at, weights="none")
        self.model = self._with_heads()
        set_momentum(self.model, plan.momentum)
        schedule = keras.optimizers.schedules.CosineDecay(
            0.0,
            max(1, plan.steps - WARMING_STEPS),
            alpha=LEAST_RATE,
            warmup_target=plan.rate,
            warmup_steps=WARMING_STEPS,
        )
        self.model.compile(
            optimizer=keras.optimizers.Adam(schedule, global_clipnorm=CLIPPED),
            loss=self._loss,
            jit_compile=keras.backend.backend() == "jax",
        )
        self.model.optimizer.build(self.model.trainable_variables)
        self.variables = [*self.model.weights, *self.model.optimizer.variables]
        if (folder / STATE_FILE).exists():
            self._resume()

    def _with_heads(self) -> Any:
        import keras

        heads = []
        for features in self.readings.outputs:
            scaled = keras.layers.BatchNormalization()(features)
            projected = keras.layers.Dense(PROJECTION)(scaled)
            heads.append(keras.layers.UnitNormalization(axis=1)(projected))
        return keras.Model(self.readings.input, keras.ops.stack(heads, axis=1))

    def _loss(self, labels: Any, projected: Any) -> Any:
        """The mean of the contrastive losses; projected: `[B, strides, PROJECTION]`."""
        from keras import ops

        labels = ops.reshape(labels, (-1,))
        losses = [
            contrastive_loss(projected[:, row], labels, temperature=self.plan.temperature)
            for row in range(len(self.plan.at))
        ]
        return ops.mean(ops.stack(losses))

    @property
    def done(self) -> int:
        """Steps made."""
        return int(np.asarray(self.model.optimizer.iterations))

    def run(self, draw: Draw, report: Callable[[int, float], None]) -> None:
        """Train to the plan's end; `report(step, mean loss)` at every checkpoint.

        Args:
            draw: gives the batch of a step, pixels `[B, side, side, 1]` and labels `[B]`.
        """
        import keras

        def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
            for step in range(self.done, self.plan.steps):
                yield draw(step)

        def checkpoint(epoch: int, logs: dict[str, float]) -> None:
            self._save()
            report(self.done, logs["loss"])

        if self.done < self.plan.steps:
            self.model.fit(
                batches(),
                steps_per_epoch=self.plan.every,
                initial_epoch=self.done // self.plan.every,
                epochs=self.plan.steps // self.plan.every,
                callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=checkpoint)],
                shuffle=False,
                verbose=0,
            )

    def keep(self, path: Path) -> None:
        """Write what `weights: simulated` reads."""
        import keras

        depth = max(self.plan.at)
        read = self.readings.get_layer(READ)
        deepest = read.outputs[self.plan.at.index(depth)]
        keep(path, keras.Model(read.input, deepest), depth=depth)

    def _save(self) -> None:
        with whole_file(self.folder / STATE_FILE) as temporary:
            arrays = {f"{i:03d}": np.asarray(value) for i, value in enumerate(self.variables)}
            np.savez(temporary, **arrays)  # type: ignore[arg-type]

    def _resume(self) -> None:
        path = self.folder / STATE_FILE
        with resuming(path, what="the pre-training"):
            with np.load(path, allow_pickle=False) as stored:
                arrays = [stored[name] for name in sorted(stored.files)]
            for variable, array in zip(self.variables, arrays, strict=True):
                variable.assign(array)
