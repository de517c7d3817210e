"""Training of the simulated-world network: supervised contrastive loss, killed and resumed at will.

TensorFlow is imported inside functions; what is trained is read without it, see
`simulated_network.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ganamis.extractors.residual_network import HIGH_PASS, contrastive_loss
from ganamis.extractors.simulated_batches import BatchPlan, draw_batch
from ganamis.extractors.simulated_network import LEAK, LOG_FLOOR, SOFT, Shape
from ganamis.files import whole_file
from ganamis.simulation.world import World

STATE_FILE = "state.npz"
AVERAGE = 0.998  # of the weights, which are read instead of the last step's


@dataclass(frozen=True)
class TrainingPlan:
    """shape: of the network. batch: see there. steps, rate, temperature: of the training. every:
    steps between checkpoints."""

    shape: Shape
    batch: BatchPlan
    steps: int
    rate: float
    temperature: float
    every: int


def build(shape: Shape) -> Any:
    """The trainable network: `[N, h, w, 1]` gray levels -> last activations, Keras."""
    import keras

    pixels = keras.Input((None, None, 1))
    residual = keras.layers.Conv2D(3, 3, use_bias=False, trainable=False, name="high_pass")
    x = residual(pixels)
    x = x / (keras.ops.abs(x) + SOFT)
    for channels, size, stride in zip(shape.channels, shape.sizes, shape.strides, strict=True):
        x = keras.layers.Conv2D(channels, size, strides=stride, padding="valid")(x)
        x = keras.layers.LeakyReLU(negative_slope=LEAK)(x)
    model = keras.Model(pixels, x)
    residual.set_weights([HIGH_PASS])
    return model


def trained_arrays(model: Any) -> list[np.ndarray]:
    """Kernels and biases in turn, without the fixed filters."""
    return [variable.numpy() for variable in model.trainable_variables]


class Trainer:
    """Network, head, optimiser and running average of the weights, with a state on disk."""

    def __init__(self, plan: TrainingPlan, *, seed: int, folder: Path) -> None:
        import keras

        keras.utils.set_random_seed(seed)
        self.plan, self.seed, self.folder = plan, seed, folder
        self.model = build(plan.shape)
        self.head = keras.layers.Dense(plan.shape.channels[-1])
        self.head.build((None, 2 * plan.shape.channels[-1]))
        self.variables = self.model.trainable_variables + self.head.trainable_variables
        self.optimizer = keras.optimizers.Adam(plan.rate)
        self.optimizer.build(self.variables)
        self.average = [variable.numpy() for variable in self.variables]
        self.done = 0
        if (folder / STATE_FILE).exists():
            self._resume()
        self._step = self._compiled()

    def _compiled(self) -> Callable[..., Any]:
        import tensorflow as tf

        @tf.function(
            input_signature=[
                tf.TensorSpec((None, None, None, 1), tf.float32),
                tf.TensorSpec((None,), tf.int32),
            ]
        )
        def step(pixels: Any, labels: Any) -> Any:
            with tf.GradientTape() as tape:
                activations = self.model(pixels, training=True)
                mean, variance = tf.nn.moments(activations, (1, 2))
                pooled = tf.concat([mean, 0.5 * tf.math.log(variance + LOG_FLOOR)], 1)
                centre, spread = tf.nn.moments(pooled, (0,), keepdims=True)
                scaled = (pooled - centre) * tf.math.rsqrt(spread + 1e-6)
                unit = tf.math.l2_normalize(self.head(scaled), axis=1)
                loss = contrastive_loss(unit, labels, temperature=self.plan.temperature)
            gradients = tape.gradient(loss, self.variables)
            gradients, _ = tf.clip_by_global_norm(gradients, 5.0)
            self.optimizer.apply_gradients(zip(gradients, self.variables, strict=True))
            return loss

        return step

    def run(self, worlds: list[World], report: Callable[[int, float], None]) -> list[np.ndarray]:
        """Train to the plan's end; `report(step, mean loss)` at every checkpoint.

        Returns:
            The averaged kernels and biases, see `trained_arrays`.
        """
        losses = []
        while self.done < self.plan.steps:
            random = np.random.default_rng((self.seed, 8, self.done))
            pixels, labels = draw_batch(worlds, self.plan.batch, random)
            share = self.done / self.plan.steps
            self.optimizer.learning_rate = self.plan.rate * (
                min(1.0, (self.done + 1) / 100) * (0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * share)))
            )
            losses.append(float(self._step(pixels, labels)))
            self.done += 1
            keep = min(AVERAGE, self.done / (self.done + 10))
            if self.done % 4 == 0:  # four steps at once: copying weights is not free
                for mean, variable in zip(self.average, self.variables, strict=True):
                    mean += (1 - keep**4) * (variable.numpy() - mean)
            if self.done % self.plan.every == 0 or self.done == self.plan.steps:
                self._save()
                report(self.done, float(np.mean(losses)))
                losses = []
        return self.averaged

    @property
    def averaged(self) -> list[np.ndarray]:
        """Averaged kernels and biases of the network, without the head."""
        return self.average[: len(self.model.trainable_variables)]

    def _arrays(self) -> list[np.ndarray]:
        state = [np.asarray(v.numpy()) for v in (*self.variables, *self.optimizer.variables)]
        return [*self.average, *state]

    def _save(self) -> None:
        with whole_file(self.folder / STATE_FILE) as temporary:
            arrays = {f"{i:03d}": array for i, array in enumerate(self._arrays())}
            np.savez(temporary, done=self.done, **arrays)  # type: ignore[arg-type]

    def _resume(self) -> None:
        with np.load(self.folder / STATE_FILE, allow_pickle=False) as stored:
            self.done = int(stored["done"])
            arrays = [stored[name] for name in sorted(stored.files) if name != "done"]
        self.average = arrays[: len(self.variables)]
        state = (*self.variables, *self.optimizer.variables)
        for variable, array in zip(state, arrays[len(self.variables) :], strict=True):
            variable.assign(array)
