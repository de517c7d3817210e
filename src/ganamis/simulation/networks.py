"""Networks of the simulated generators: super-resolvers, decoders and denoisers of many shapes.

TensorFlow is imported with this module; import it inside functions only.
"""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from ganamis.simulation.kernels import (
    Kernels,
    Tensor,
    activate,
    conv,
    enlarge,
    normalise,
    resize,
)

UPSAMPLINGS = (
    "nearest",
    "bilinear",
    "bicubic",
    "subpixel",
    "transposed_2",
    "transposed_3",
    "transposed_4",
    "transposed_6",
)
BLOCKS = ("plain", "residual", "dense", "channel_attention", "spatial_attention")


@dataclass(frozen=True)
class Network:
    """The shape of a network from a small image to a large one; its weights are `Kernels`.

    scale: of the enlargement; 1 restores at full size. steps_up: factors it is taken in, their
    product is `scale`. width: channels at the small size. narrow: what each enlargement divides
    them by. blocks: before the enlargement. block, activation, norm, upsampling: their kinds.
    tail: convolutions at full size. size: of the kernels there. skip: interpolation of the input
    added to the output, or `none`. weight: of what the network adds. noise: channels drawn at
    random beside the small image. bounded: the output passes a sigmoid. detail: the network adds
    only what differs from the mean of 5x5 pixels, as one without training must.
    """

    scale: int
    steps_up: tuple[int, ...]
    width: int
    narrow: float
    blocks: int
    block: str
    activation: str
    norm: str
    upsampling: str
    tail: int
    size: int
    skip: str
    weight: float
    noise: int
    bounded: bool
    detail: bool = False


def _block(x: Tensor, kernels: Kernels, network: Network) -> Tensor:
    width = int(x.shape[-1])
    hidden = activate(normalise(conv(x, kernels, width), network.norm), network.activation)
    if network.block == "plain":
        return hidden
    if network.block == "dense":
        hidden = tf.concat([x, hidden], -1)
    hidden = conv(hidden, kernels, width, gain=0.5)
    if network.block == "channel_attention":
        pooled = tf.reduce_mean(hidden, (1, 2), keepdims=True)
        hidden *= 2 * tf.sigmoid(conv(pooled, kernels, width, size=1))
    if network.block == "spatial_attention":
        hidden *= 2 * tf.sigmoid(conv(x, kernels, 1))
    return x + hidden


def forward(network: Network, kernels: Kernels, small: Tensor, noise: Tensor) -> Tensor:
    """Draw `[N, s*h, s*w, 1]` from `[N, h, w, 1]` and noise `[N, h, w, C]`, in [0, 1]."""
    kernels.rewind()
    x = small - 0.5
    if network.noise:
        x = tf.concat([x, noise], -1)
    x = activate(conv(x, kernels, network.width), network.activation)
    for _ in range(network.blocks):
        x = _block(x, kernels, network)
    for factor in network.steps_up:
        channels = max(4, round(int(x.shape[-1]) / network.narrow))
        x = enlarge(x, kernels, channels, factor=factor, method=network.upsampling)
        x = activate(normalise(x, network.norm), network.activation)
    for _ in range(network.tail):
        x = activate(conv(x, kernels, int(x.shape[-1]), size=network.size), network.activation)
    x = conv(x, kernels, 1, size=network.size, gain=0.5) * network.weight
    if network.detail:
        x -= tf.nn.avg_pool2d(x, 5, 1, "SAME")
    if network.skip == "none":
        return tf.sigmoid(2 * x) if network.bounded else x + 0.5
    return x + (small if network.scale == 1 else resize(small, network.scale, network.skip))


def new_kernels(network: Network, random: np.random.Generator) -> Kernels:
    """Random weights of the network."""
    kernels = Kernels(random)
    forward(network, kernels, tf.zeros((1, 8, 8, 1)), tf.zeros((1, 8, 8, network.noise)))
    return kernels


def factors(scale: int, *, at_once: bool) -> tuple[int, ...]:
    """How an enlargement is taken: at once, or in steps of two and what is left."""
    if scale == 1:
        return ()
    if at_once or scale % 2:
        return (scale,)
    return (2, *factors(scale // 2, at_once=False))


def draw_network(random: np.random.Generator, *, scale: int, width: int) -> Network:
    """A random shape for an enlargement by `scale`, with about `width` channels."""
    skips = ("none", "nearest", "bilinear", "bicubic") if scale > 1 else ("bilinear",)
    skip = str(random.choice(skips))
    return Network(
        scale=scale,
        steps_up=factors(scale, at_once=bool(random.random() < 0.35)),
        width=int(round(width * random.uniform(0.7, 1.3))),
        narrow=float(random.choice((1.0, 1.4, 2.0))),
        blocks=int(random.integers(0, 4)),
        block=str(random.choice(BLOCKS)),
        activation=str(random.choice(("relu", "leaky", "swish", "tanh"), p=(0.3, 0.4, 0.2, 0.1))),
        norm=str(random.choice(("none", "instance", "pixel"), p=(0.65, 0.2, 0.15))),
        upsampling=str(random.choice(UPSAMPLINGS)),
        tail=int(random.integers(0, 3)),
        size=int(random.choice((3, 5), p=(0.8, 0.2))),
        skip=skip,
        weight=1.0,
        noise=int(random.choice((0, 0, 4))),
        bounded=bool(random.random() < 0.5),
    )
