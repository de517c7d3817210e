"""A learned fingerprint: a shallow network on high-pass residuals, with a contrastive loss.

Supervised contrastive learning (Khosla et al. 2020, equation 2) draws crops of one generator
together, whatever their content and post-processing, and leaves the geometry to the whitening.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ganamis.data.degradations import MIX, degrade
from ganamis.extractors.crops import balanced_crops
from ganamis.files import read_json, whole_file, write_json

# Second differences along rows, columns and both (Fridrich and Kodovsky 2012).
HIGH_PASS = np.zeros((3, 3, 1, 3), dtype=np.float32)
HIGH_PASS[1, :, 0, 0] = HIGH_PASS[:, 1, 0, 1] = (1.0, -2.0, 1.0)
HIGH_PASS[:, :, 0, 2] = ((1.0, -2.0, 1.0), (-2.0, 4.0, -2.0), (1.0, -2.0, 1.0))
RESIDUAL_SCALE = 8.0  # gray levels; larger residuals, mostly edges, are compressed
BATCH = 16  # images embedded at once
ARRAYS_FILE = "network.npz"


@dataclass(frozen=True)
class ResidualNetworkConfig:
    """Settings of the network and its training.

    channels: of its three convolutions. grid: windows along each side, half overlapping, whose
    activations are averaged. crop: pixels. steps: of training. generators_share: crops of each
    generator in a batch. temperature: of the loss.
    """

    channels: tuple[int, int, int]
    grid: int
    crop: int
    steps: int
    generators_share: int
    temperature: float
    learning_rate: float


def contrastive_loss(features: Any, labels: Any, *, temperature: float) -> Any:
    """Supervised contrastive loss of unit vectors (Khosla et al. 2020, equation 2).

    Args:
        features: `[B, D]` tensor of unit length. labels: `[B]`, every one at least twice.
    """
    from keras import ops

    count = ops.shape(features)[0]
    itself = ops.eye(count)
    logits = ops.matmul(features, ops.transpose(features)) / temperature - 1e9 * itself
    log_share = logits - ops.logsumexp(logits, axis=1, keepdims=True)
    same = ops.cast(labels[:, None] == labels[None, :], "float32") - itself
    return -ops.mean(ops.sum(same * log_share, axis=1) / ops.sum(same, axis=1))


def _build(config: ResidualNetworkConfig) -> Any:
    import keras

    pixels = keras.Input((None, None, 1))
    high_pass = keras.layers.Conv2D(3, 3, use_bias=False, trainable=False, name="high_pass")
    hidden = keras.layers.Activation("tanh")(high_pass(pixels))
    for index, channels in enumerate(config.channels):
        stride = 1 if index == 0 else 2
        hidden = keras.layers.Conv2D(channels, 3, strides=stride, padding="same")(hidden)
        hidden = keras.layers.LeakyReLU()(hidden)
    model = keras.Model(pixels, hidden)
    high_pass.set_weights([HIGH_PASS / RESIDUAL_SCALE])
    return model


def _window_means(activations: np.ndarray, grid: int) -> np.ndarray:
    """Means `[N, grid**2, C]` of `[N, h, w, C]` over half-overlapping windows."""
    step_y, step_x = (side // (grid + 1) for side in activations.shape[1:3])
    windows = [
        activations[:, y * step_y : (y + 2) * step_y, x * step_x : (x + 2) * step_x]
        for y in range(grid)
        for x in range(grid)
    ]
    return np.stack([window.mean(axis=(1, 2)) for window in windows], axis=1)


@dataclass(frozen=True)
class ResidualNetwork:
    """A trained residual network. model: Keras, fully convolutional."""

    model: Any
    config: ResidualNetworkConfig

    @property
    def views(self) -> int:
        """Windows per image."""
        return self.config.grid**2

    def embed(self, images: np.ndarray) -> np.ndarray:
        """Features `[N, views * channels]` float32 of `[N, H, W]` uint8 images."""
        features = []
        for start in range(0, len(images), BATCH):
            pixels = images[start : start + BATCH, :, :, None].astype(np.float32)
            activations = np.asarray(self.model(pixels, training=False))
            features.append(_window_means(activations, self.config.grid))
        return np.concatenate(features).reshape(len(images), -1).astype(np.float32)

    def save(self, folder: Path) -> None:
        arrays = [variable.value.numpy() for variable in self.model.weights]
        with whole_file(folder / ARRAYS_FILE) as temporary:
            np.savez_compressed(temporary, *arrays)
        write_json(folder / "network.json", asdict(self.config))

    @classmethod
    def load(cls, folder: Path) -> "ResidualNetwork":
        stored = read_json(folder / "network.json", stage="train")
        config = ResidualNetworkConfig(**{**stored, "channels": tuple(stored["channels"])})
        model = _build(config)
        with np.load(folder / ARRAYS_FILE, allow_pickle=False) as arrays:
            model.set_weights([arrays[name] for name in arrays.files])
        return cls(model, config)


def fit(
    images: np.ndarray, labels: np.ndarray, *, config: ResidualNetworkConfig, seed: int
) -> ResidualNetwork:
    """Train on labelled images and degraded copies of them.

    Args:
        images: `[N, H, W]` uint8. labels: `[N]`, their generators.
    """
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(seed)
    random = np.random.default_rng(seed)
    _, codes = np.unique(labels, return_inverse=True)
    copies = [images, images, degrade(images, MIX, seed=seed), degrade(images, MIX, seed=seed + 1)]
    model = _build(config)
    head = keras.layers.Dense(config.channels[-1])
    optimizer = keras.optimizers.Adam(config.learning_rate)

    @tf.function
    def step(pixels: Any, classes: Any) -> Any:
        with tf.GradientTape() as tape:
            pooled = tf.reduce_mean(model(pixels, training=True), axis=(1, 2))
            features = tf.math.l2_normalize(head(pooled), axis=1)
            loss = contrastive_loss(features, classes, temperature=config.temperature)
        variables = model.trainable_variables + head.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    head.build((None, config.channels[-1]))
    optimizer.build(model.trainable_variables + head.trainable_variables)
    for _ in range(config.steps):
        pixels, classes = balanced_crops(
            copies, codes, crop=config.crop, each=config.generators_share, random=random
        )
        step(tf.constant(pixels), tf.constant(classes))
    return ResidualNetwork(model, config)
