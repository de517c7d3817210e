"""Building blocks of the generators: up-sampling layers and the low-frequency correction.

TensorFlow is imported with this module; import it inside functions only.
"""

from functools import lru_cache
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from ganamis.zoo.geometry import SCALE

Tensor = Any


def leaky(x: Tensor) -> Tensor:
    """Leaky rectifier of slope 0.2."""
    return ops.leaky_relu(x, negative_slope=0.2)


def conv(channels: int, kernel: int = 3, *, stride: int = 1, dilation: int = 1) -> keras.Layer:
    """Convolution that keeps the size (divided by `stride`)."""
    return layers.Conv2D(
        channels,
        kernel,
        strides=stride,
        dilation_rate=dilation,
        padding="same",
        kernel_initializer="he_normal",
    )


@lru_cache(maxsize=8)
def _linear_map(cells: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Linear interpolation to eight times the length, and the inverse of its block means.

    Returns:
        `[8 cells, cells]` and `[cells, cells]`: averaging blocks of eight after applying both
        gives the identity.
    """
    place = np.clip((np.arange(cells * SCALE) + 0.5) / SCALE - 0.5, 0, cells - 1)
    interpolate = np.maximum(0, 1 - np.abs(place[:, None] - np.arange(cells)[None]))
    means = interpolate.reshape(cells, SCALE, cells).mean(1)
    return interpolate.astype(np.float32), np.linalg.inv(means).astype(np.float32)


def enlarge(code: Tensor, *, exact: bool = False) -> Tensor:
    """Bilinear interpolation of one channel, as two matrix products.

    Args:
        code: `[N, h, w, 1]`.
        exact: Sharpen the code first, so that the 8x8 block means of the result are the code.

    Returns:
        `[N, 8h, 8w, 1]`.
    """
    (rows, row_inverse), (columns, column_inverse) = map(_linear_map, code.shape[1:3])
    if exact:
        rows, columns = rows @ row_inverse, columns @ column_inverse
    return ops.matmul(ops.matmul(rows, code[..., 0]), columns.T)[..., None]


def correct(image: Tensor, code: Tensor) -> Tensor:
    """Pull the 8x8 block means of an image to its code, by a smooth correction only.

    Every generator ends with this, so that the thumbnail of its output is the code it was given.

    Args:
        image: `[N, 8h, 8w, 1]`.
        code: `[N, h, w, 1]`.

    Returns:
        `[N, 8h, 8w, 1]`.
    """
    return image + enlarge(code - ops.average_pool(image, SCALE, SCALE, "valid"), exact=True)


@keras.saving.register_keras_serializable("ganamis")
class HaarUp(layers.Layer):
    """Convolution to the four Haar sub-bands, then one inverse Haar step: twice the size."""

    def __init__(self, channels: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.bands = conv(4 * channels)

    def call(self, x: Tensor) -> Tensor:
        """`[N, h, w, C]` -> `[N, 2h, 2w, channels]`."""
        low, across, down, cross = ops.split(self.bands(x), 4, axis=-1)
        corners = [
            low + across + down + cross,
            low - across + down - cross,
            low + across - down - cross,
            low - across - down + cross,
        ]
        return ops.depth_to_space(ops.concatenate(corners, axis=-1) / 2, 2)


@keras.saving.register_keras_serializable("ganamis")
class PixelShuffleUp(layers.Layer):
    """Sub-pixel convolution (Shi et al. 2016): twice the size."""

    def __init__(self, channels: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.phases = conv(4 * channels)

    def call(self, x: Tensor) -> Tensor:
        """`[N, h, w, C]` -> `[N, 2h, 2w, channels]`."""
        return ops.depth_to_space(self.phases(x), 2)


def up(method: str, channels: int) -> keras.Layer:
    """One doubling layer.

    Args:
        method: `transposed_4`, `transposed_2`, `nearest`, `bilinear`, `pixel_shuffle` or `haar`.
        channels: Output channels.

    Raises:
        ValueError: No such method.
    """
    if method == "haar":
        return HaarUp(channels)
    if method == "pixel_shuffle":
        return PixelShuffleUp(channels)
    if method in ("nearest", "bilinear"):
        resize = layers.UpSampling2D(2, interpolation=method)
        return keras.Sequential([resize, conv(channels)])
    if method in ("transposed_4", "transposed_2"):
        kernel = int(method[-1])
        return layers.Conv2DTranspose(
            channels, kernel, strides=2, padding="same", kernel_initializer="he_normal"
        )
    raise ValueError(f"no up-sampling method {method!r}")


class Decoder(keras.Model):
    """Latent and code at 32x32 -> slice at 256x256, by three doublings of one kind.

    Args:
        upsampling: See `up`.
        widths: Channels at 32, 64, 128 and 256.
        fine_noise: Whether 16 of the latent channels are unfolded to a 128x128 noise map.
    """

    def __init__(self, upsampling: str, widths: tuple[int, ...], fine_noise: bool = True) -> None:
        super().__init__()
        self.fine_noise = fine_noise
        self.trunk = [conv(widths[0]) for _ in range(3)]
        self.ups = [up(upsampling, width) for width in widths[1:]]
        self.refine = [conv(width) for width in widths[1:3]]
        self.head = conv(1, 5)

    def call(self, inputs: tuple[Tensor, Tensor]) -> Tensor:
        """`(code [N, h, w, 1], latent [N, h, w, C])` -> `[N, 8h, 8w, 1]`, about [0, 1]."""
        code, latent = inputs
        fine = None
        if self.fine_noise:
            fine = ops.depth_to_space(latent[..., -16:], 4)
            latent = latent[..., :-16]
        x = leaky(self.trunk[0](ops.concatenate([code * 2 - 1, latent * 0.5], axis=-1)))
        for layer in self.trunk[1:]:
            x = x + leaky(layer(x))
        for step, layer in enumerate(self.ups):
            x = leaky(layer(x))
            if step == 1 and fine is not None:
                x = ops.concatenate([x[..., :-1], x[..., -1:] + fine], axis=-1)
            if step < len(self.refine):
                x = x + leaky(self.refine[step](x))
        return correct(enlarge(code) + 0.2 * self.head(x), code)


class Encoder(keras.Model):
    """Slice minus its enlarged code -> map at one eighth of the size.

    Args:
        widths: Channels at 128, 64 and 32.
        channels: Output channels.
    """

    def __init__(self, widths: tuple[int, ...], channels: int) -> None:
        super().__init__()
        self.downs = [conv(width, 4, stride=2) for width in widths]
        self.head = conv(channels)

    def call(self, inputs: tuple[Tensor, Tensor]) -> Tensor:
        """`(image [N, 8h, 8w, 1], code [N, h, w, 1])` -> `[N, h, w, channels]`."""
        image, code = inputs
        large = enlarge(code)
        x = ops.concatenate([(image - large) * 5, large * 2 - 1], axis=-1)
        for layer in self.downs:
            x = leaky(layer(x))
        return self.head(x)


class Critic(keras.Model):
    """Patch critic: judges slice and enlarged code together, one score per 8x8 block.

    Args:
        widths: Channels at 128, 64 and 32.
    """

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.encoder = Encoder(widths, 1)

    def call(self, inputs: tuple[Tensor, Tensor]) -> Tensor:
        """`(image [N, 8h, 8w, 1], code [N, h, w, 1])` -> `[N, h, w, 1]`, unbounded."""
        return self.encoder(inputs)


def timestep_features(time: Tensor, channels: int) -> Tensor:
    """Sines and cosines of a time in [0, 1]. `[N]` -> `[N, channels]`."""
    frequencies = np.exp(np.linspace(0, np.log(200.0), channels // 2)).astype(np.float32)
    angles = time[:, None] * frequencies[None]
    return ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)
