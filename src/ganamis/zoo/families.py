"""Generators that are more than one decoder: vector-quantised, diffusion, and latent flow.

Each is a model from `(code, noise)` to a slice, like `layers.Decoder`, with normal noise in.
TensorFlow is imported with this module; import it inside functions only.
"""

import keras
import numpy as np
from keras import layers, ops

from ganamis.zoo.layers import (
    Decoder,
    Tensor,
    conv,
    correct,
    enlarge,
    leaky,
    timestep_features,
)


def checkerboard(height: int, width: int) -> Tensor:
    """Every second cell. `[1, height, width, 1]` of 0 and 1."""
    rows, columns = np.mgrid[:height, :width]
    return ops.convert_to_tensor(((rows + columns) % 2)[None, :, :, None], dtype="float32")


class TokenPrior(keras.Model):
    """Which codebook entry stands where, given the code and the entries already drawn.

    Args:
        width: Channels.
        entries: Size of the codebook.
    """

    def __init__(self, width: int, entries: int) -> None:
        super().__init__()
        self.stem = conv(width)
        self.blocks = [conv(width, dilation=dilation) for dilation in (1, 2, 1)]
        self.head = conv(entries, 1)

    def call(self, inputs: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """Predict the entries.

        Args:
            inputs: code `[N, h, w, 1]`, known latents `[N, h, w, D]` (0 where unknown), and
                which are known `[N, h, w, 1]`.

        Returns:
            Logits, `[N, h, w, entries]`.
        """
        x = leaky(self.stem(ops.concatenate(inputs, axis=-1)))
        for block in self.blocks:
            x = x + leaky(block(x))
        return self.head(x)


class VectorQuantised(keras.Model):
    """VQ-VAE (van den Oord et al. 2017) with a two-pass checkerboard prior over its tokens.

    Args:
        upsampling: See `layers.up`.
        widths: Channels of the decoder at 32, 64, 128 and 256.
        entries: Size of the codebook.
        depth: Channels of one codebook entry.
        prior_width: Channels of the prior.
    """

    TEMPERATURE = 0.6
    """Of the token draws: neighbours of one pass are drawn apart, and at 1 contours fray."""

    def __init__(
        self, upsampling: str, widths: tuple[int, ...], entries: int, depth: int, prior_width: int
    ) -> None:
        super().__init__()
        self.codebook = self.add_weight(
            shape=(entries, depth), initializer=keras.initializers.RandomNormal(stddev=0.5)
        )
        self.decoder = Decoder(upsampling, widths)
        self.prior = TokenPrior(prior_width, entries)

    def nearest(self, latent: Tensor) -> Tensor:
        """Index of the nearest entry. `[N, h, w, D]` -> `[N, h, w]` int32."""
        distance = (
            ops.sum(latent**2, -1, keepdims=True)
            - 2 * ops.matmul(latent, ops.transpose(self.codebook))
            + ops.sum(self.codebook**2, -1)
        )
        return ops.argmin(distance, axis=-1)

    def lookup(self, tokens: Tensor) -> Tensor:
        """`[N, h, w]` -> `[N, h, w, D]`."""
        return ops.take(self.codebook, tokens, axis=0)

    def draw(self, logits: Tensor, normal: Tensor) -> Tensor:
        """Invert the cumulative distribution at the normal's own quantile. `[N, h, w]` int32."""
        quantile = 0.5 * (1 + ops.erf(normal / np.sqrt(2.0)))
        shares = ops.softmax(logits / self.TEMPERATURE, axis=-1)
        below = ops.cumsum(shares, axis=-1) < quantile
        tokens = ops.sum(ops.cast(below, "int32"), axis=-1)
        return ops.minimum(tokens, logits.shape[-1] - 1)

    def call(self, inputs: tuple[Tensor, Tensor]) -> Tensor:
        """`(code [N, h, w, 1], noise [N, h, w, 17])` -> `[N, 8h, 8w, 1]`.

        The first noise channel draws the tokens, the other 16 are the decoder's fine noise.
        """
        code, noise = inputs
        normal, fine = noise[..., :1], noise[..., 1:]
        first = checkerboard(code.shape[1], code.shape[2]) + 0 * code
        unknown = ops.repeat(0 * code, self.codebook.shape[1], axis=-1)
        known = self.lookup(self.draw(self.prior((code, unknown, 0 * code)), normal)) * first
        rest = self.lookup(self.draw(self.prior((code, known, first)), normal))
        latent = known + rest * (1 - first)
        return self.decoder((code, ops.concatenate([latent, fine], axis=-1)))


class TimedBlock(layers.Layer):
    """Residual convolution block, scaled and shifted by the time."""

    def __init__(self, width: int, dilation: int = 1) -> None:
        super().__init__()
        self.first = conv(width)
        self.second = conv(width, dilation=dilation)
        self.film = layers.Dense(2 * width)

    def call(self, x: Tensor, time: Tensor) -> Tensor:
        """`x [N, h, w, width]`, `time [N, T]` -> `[N, h, w, width]`."""
        scale, shift = ops.split(self.film(time)[:, None, None], 2, axis=-1)
        inner = leaky(self.first(x)) * (1 + scale) + shift
        return x + 0.5 * self.second(leaky(inner))


class TimedUNet(keras.Model):
    """Two-level U-Net conditioned on a time and on an image of the same size.

    Args:
        widths: Channels at full and at half size.
        channels: Channels out.
    """

    def __init__(self, widths: tuple[int, int], channels: int) -> None:
        super().__init__()
        self.time = layers.Dense(64)
        self.stem = conv(widths[0])
        self.high = TimedBlock(widths[0])
        self.down = conv(widths[1], stride=2)
        self.low = [TimedBlock(widths[1], dilation) for dilation in (1, 2)]
        self.up = keras.Sequential([layers.UpSampling2D(2), conv(widths[0])])
        self.last = TimedBlock(widths[0])
        self.head = layers.Conv2D(channels, 3, padding="same", kernel_initializer="zeros")

    def call(self, inputs: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """`(x [N, h, w, C], condition [N, h, w, D], time [N])` -> `[N, h, w, channels]`."""
        noisy, condition, time = inputs
        timed = leaky(self.time(timestep_features(time, 32)))
        skip = self.high(leaky(self.stem(ops.concatenate([noisy, condition], -1))), timed)
        x = self.down(skip)
        for block in self.low:
            x = block(x, timed)
        return self.head(self.last(self.up(x) + skip, timed))


class Diffusion(keras.Model):
    """Denoising diffusion of the detail above the code, in 4x4 space-to-depth form.

    Velocity prediction (Salimans & Ho 2022), cosine schedule, DDIM steps (Song et al. 2021).

    Args:
        widths: Channels of the U-Net at 64x64 and 32x32.
        steps: DDIM steps of a sample.
        scale: Brings the detail to about unit variance.
    """

    FOLD = 4

    def __init__(self, widths: tuple[int, int], steps: int, scale: float) -> None:
        super().__init__()
        self.steps = steps
        self.scale = scale
        self.net = TimedUNet(widths, self.FOLD**2)

    def condition(self, code: Tensor) -> Tensor:
        """Enlarged code, folded. `[N, h, w, 1]` -> `[N, 2h, 2w, 16]`."""
        return ops.space_to_depth(enlarge(code) * 2 - 1, self.FOLD)

    def fold_detail(self, image: Tensor, code: Tensor) -> Tensor:
        """`[N, 8h, 8w, 1]` -> `[N, 2h, 2w, 16]`, about unit variance."""
        return ops.space_to_depth((image - enlarge(code)) * self.scale, self.FOLD)

    def call(self, inputs: tuple[Tensor, Tensor]) -> Tensor:
        """`(code [N, h, w, 1], noise [N, h, w, 64])` -> `[N, 8h, 8w, 1]`."""
        code, noise = inputs
        condition = self.condition(code)
        times = np.linspace(0.98, 0.0, self.steps + 1).astype(np.float32)

        def step(i: Tensor, x: Tensor) -> Tensor:
            now, after = (ops.take(times, i + k) for k in (0, 1))
            velocity = self.net((x, condition, 0 * code[:, 0, 0, 0] + now))
            alpha, sigma = ops.cos(now * np.pi / 2), ops.sin(now * np.pi / 2)
            clean, residue = alpha * x - sigma * velocity, sigma * x + alpha * velocity
            return ops.cos(after * np.pi / 2) * clean + ops.sin(after * np.pi / 2) * residue

        # A loop in the graph: unrolled, tracing twelve U-Nets takes longer than running them.
        x = ops.fori_loop(0, self.steps, step, ops.depth_to_space(noise, 2))
        detail = ops.depth_to_space(x, self.FOLD) / self.scale
        return correct(enlarge(code) + detail, code)


class LatentFlow(keras.Model):
    """Rectified flow (Liu et al. 2023) over an autoencoder's latents, then its decoder.

    Args:
        upsampling: See `layers.up`.
        widths: Channels of the decoder at 32, 64, 128 and 256.
        depth: Channels of the latent.
        flow_widths: Channels of the flow's U-Net at 32x32 and 16x16.
        steps: Euler steps of a sample.
    """

    def __init__(
        self,
        upsampling: str,
        widths: tuple[int, ...],
        depth: int,
        flow_widths: tuple[int, int],
        steps: int,
    ) -> None:
        super().__init__()
        self.depth = depth
        self.steps = steps
        self.decoder = Decoder(upsampling, widths)
        self.flow = TimedUNet(flow_widths, depth)

    def call(self, inputs: tuple[Tensor, Tensor]) -> Tensor:
        """`(code [N, h, w, 1], noise [N, h, w, depth + 16])` -> `[N, 8h, 8w, 1]`."""
        code, noise = inputs
        latent, fine = noise[..., : self.depth], noise[..., self.depth :]

        def step(i: Tensor, latent: Tensor) -> Tensor:
            time = 0 * code[:, 0, 0, 0] + ops.cast(i, "float32") / self.steps
            return latent + self.flow((latent, code * 2 - 1, time)) / self.steps

        latent = ops.fori_loop(0, self.steps, step, latent)
        return self.decoder((code, ops.concatenate([latent, fine], axis=-1)))
