"""Operations of the simulated networks, their weights held apart: one network, many weight sets.

TensorFlow is imported with this module; import it inside functions only.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

Tensor = Any


class Kernels:
    """Weights in the order in which a network asks for them.

    The first pass draws them; `rewind` starts the next pass, which gets the same ones.
    """

    def __init__(self, random: np.random.Generator) -> None:
        self.random = random
        self.variables: list[tf.Variable] = []
        self._starts: list[tuple[float, np.ndarray | float]] = []
        self._next = 0

    def take(self, shape: Sequence[int], scale: float, start: np.ndarray | float = 0.0) -> Tensor:
        """The next array: at first `start` plus normal noise of deviation `scale`."""
        if self._next == len(self.variables):
            self._starts.append((scale, start))
            drawn = self.random.standard_normal(tuple(shape), np.float32)
            self.variables.append(tf.Variable(drawn * np.float32(scale) + np.float32(start)))
        self._next += 1
        return self.variables[self._next - 1]

    def redraw(self, random: np.random.Generator) -> None:
        """Other weights of the same kind."""
        for variable, (scale, start) in zip(self.variables, self._starts, strict=True):
            drawn = random.standard_normal(tuple(variable.shape), np.float32)
            variable.assign(drawn * np.float32(scale) + np.float32(start))

    def rewind(self) -> "Kernels":
        self._next = 0
        return self

    def values(self) -> list[np.ndarray]:
        return [variable.numpy() for variable in self.variables]

    def assign(self, values: list[np.ndarray]) -> None:
        for variable, value in zip(self.variables, values, strict=True):
            variable.assign(value)


def conv(x: Tensor, kernels: Kernels, channels: int, *, size: int = 3, gain: float = 1.0) -> Tensor:
    """Convolution `[N, h, w, C]` -> `[N, h, w, channels]` with bias."""
    inputs = int(x.shape[-1])
    scale = gain * float(np.sqrt(2.0 / (inputs * size * size)))
    kernel = kernels.take((size, size, inputs, channels), scale)
    return tf.nn.conv2d(x, kernel, 1, "SAME") + kernels.take((channels,), 0.02 * gain)


def activate(x: Tensor, name: str) -> Tensor:
    return {"relu": tf.nn.relu, "leaky": tf.nn.leaky_relu, "swish": tf.nn.silu, "tanh": tf.tanh}[
        name
    ](x)


def normalise(x: Tensor, name: str) -> Tensor:
    """`instance`: each channel over the image; `pixel`: each pixel over its channels."""
    if name == "instance":
        mean, variance = tf.nn.moments(x, (1, 2), keepdims=True)
        return (x - mean) * tf.math.rsqrt(variance + 1e-3)
    if name == "pixel":
        return x * tf.math.rsqrt(tf.reduce_mean(x * x, -1, keepdims=True) + 1e-3)
    return x


def resize(x: Tensor, factor: int, method: str) -> Tensor:
    """Enlarge `[N, h, w, C]` by nearest, bilinear or bicubic interpolation."""
    size = (int(x.shape[1]) * factor, int(x.shape[2]) * factor)
    if method == "nearest":
        return tf.repeat(tf.repeat(x, factor, 1), factor, 2)
    return tf.image.resize(x, size, method)


def _bilinear_kernel(size: int, factor: int) -> np.ndarray:
    centre = (size - 1) / 2
    line = np.maximum(0, 1 - np.abs(np.arange(size) - centre) / factor)
    return np.outer(line, line)[:, :, None, None]


def transposed(x: Tensor, kernels: Kernels, channels: int, *, factor: int, size: int) -> Tensor:
    """Transposed convolution, begun near bilinear interpolation of each channel."""
    inputs = int(x.shape[-1])
    start = _bilinear_kernel(size, factor) * np.eye(channels, inputs)[None, None]
    scale = 0.5 * factor / float(np.sqrt(inputs * size * size))
    kernel = kernels.take((size, size, channels, inputs), scale, start)
    shape = tf.stack([tf.shape(x)[0], x.shape[1] * factor, x.shape[2] * factor, channels])
    enlarged = tf.nn.conv2d_transpose(x, kernel, shape, factor, "SAME")
    return tf.ensure_shape(enlarged, (None, x.shape[1] * factor, x.shape[2] * factor, channels))


def enlarge(x: Tensor, kernels: Kernels, channels: int, *, factor: int, method: str) -> Tensor:
    """Learned up-sampling: `subpixel`, `transposed_K`, or interpolation and a convolution."""
    if method == "subpixel":
        return tf.nn.depth_to_space(conv(x, kernels, channels * factor**2), factor)
    if method.startswith("transposed"):
        return transposed(
            x, kernels, channels, factor=factor, size=max(factor, int(method.split("_")[1]))
        )
    return conv(resize(x, factor, method), kernels, channels)
