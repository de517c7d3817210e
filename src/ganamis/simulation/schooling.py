"""A brief training of simulated networks: enough for weights that look learned, in a second.

TensorFlow is imported with this module; import it inside functions only.
"""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from ganamis.simulation.kernels import Kernels, Tensor
from ganamis.simulation.networks import Network, forward

CROP, BATCH = 64, 6  # pixels of a training crop at full size; crops of a step
BANDS = np.zeros((3, 3, 1, 2), np.float32)
BANDS[1, :, 0, 0] = BANDS[:, 1, 0, 1] = (1.0, -2.0, 1.0)


@dataclass(frozen=True)
class School:
    """How a network is trained.

    steps: 0 leaves the weights random. rate: of Adam. power: of the pixel errors, 1 or 2.
    texture: weight of the difference of log high-pass energies, which makes up for the detail
    that pixel errors smooth away. noise: of the input, gray levels / 255, which a restoring
    network (scale 1) learns to take away.
    """

    steps: int
    rate: float
    power: int
    texture: float
    noise: float


def _energy(x: Tensor) -> Tensor:
    return tf.math.log(
        tf.nn.avg_pool2d(tf.nn.conv2d(x, BANDS, 1, "VALID") ** 2, 8, 4, "VALID") + 1e-5
    )


class Schooling:
    """Trains one network's `kernels` by Adam in one compiled step, any number of times anew."""

    def __init__(self, network: Network, kernels: Kernels, school: School) -> None:
        self.network, self.kernels, self.school = network, kernels, school
        self._first, self._second = (
            [tf.Variable(tf.zeros_like(v), trainable=False) for v in kernels.variables]
            for _ in range(2)
        )
        self._step = tf.function(self._adam)

    def _loss(self, drawn: Tensor, large: Tensor) -> Tensor:
        error = tf.abs(drawn - large)
        loss = tf.reduce_mean(error if self.school.power == 1 else 4 * error**2)
        if self.school.texture:
            gap = tf.abs(_energy(drawn) - _energy(large))
            loss += self.school.texture * tf.reduce_mean(gap)
        return loss

    def _adam(self, small: Tensor, noise: Tensor, large: Tensor, rate: Tensor, n: Tensor) -> None:
        variables = self.kernels.variables
        with tf.GradientTape() as tape:
            loss = self._loss(forward(self.network, self.kernels, small, noise), large)
        gradients = tape.gradient(loss, variables)
        for v, g, m, s in zip(variables, gradients, self._first, self._second, strict=True):
            m.assign(0.9 * m + 0.1 * g)
            s.assign(0.98 * s + 0.02 * g * g)
            mean, square = m / (1 - 0.9**n), s / (1 - 0.98**n)
            v.assign_sub(rate * mean / (tf.sqrt(square) + 1e-7))

    def run(self, bank: np.ndarray, *, reduction: str, random: np.random.Generator) -> None:
        """Train on crops of `bank`, `[N, 256, 256]` float16 in [0, 1]."""
        network, school = self.network, self.school
        side = CROP // network.scale * network.scale
        for variable in (*self._first, *self._second):
            variable.assign(tf.zeros_like(variable))
        for done in range(school.steps):
            rows = random.integers(len(bank), size=BATCH)
            places = random.integers(bank.shape[1] - side + 1, size=(BATCH, 2))
            crops = [
                bank[r, y : y + side, x : x + side] for r, (y, x) in zip(rows, places, strict=True)
            ]
            large = np.stack(crops).astype(np.float32)
            small = small_of(large, network.scale, reduction)
            if school.noise:
                small = small + school.noise * random.standard_normal(small.shape, np.float32)
            noise = random.standard_normal((*small.shape, network.noise), np.float32)
            rate = school.rate * min(1.0, (done + 1) / 10) * (1 - 0.9 * done / school.steps)
            count = np.float32(done + 1)
            self._step(small[..., None], noise, large[..., None], np.float32(rate), count)


def small_of(large: np.ndarray, scale: int, reduction: str) -> np.ndarray:
    """Reduce `[N, H, W]` float32 by block averages (`area`), every n-th pixel of a blurred
    image (`blurred`), or every n-th pixel (`taken`): `[N, H // scale, W // scale]`."""
    count, height, width = large.shape
    if scale == 1:
        return large
    blocks = large.reshape(count, height // scale, scale, width // scale, scale)
    if reduction == "taken":
        return np.ascontiguousarray(blocks[:, :, scale // 2, :, scale // 2])
    means = blocks.mean(axis=(2, 4), dtype=np.float32)
    if reduction == "blurred":
        means = 0.7 * means + 0.3 * blocks[:, :, scale // 2, :, scale // 2]
    return means
