"""What each family is trained for: losses, and one optimisation step.

TensorFlow is imported with this module; import it inside functions only.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from ganamis.zoo.families import Diffusion, LatentFlow, VectorQuantised, checkerboard
from ganamis.zoo.layers import Critic, Encoder, Tensor

PIXEL_WEIGHT = 10.0
CRITIC_WIDTHS = (24, 48, 64)
ENCODER_WIDTHS = (16, 32, 48)
AVERAGE_DECAY = 0.99
CRITIC_RATE_SHARE = 0.5

Losses = dict[str, Tensor]


class Batch(NamedTuple):
    """What a training step sees.

    Attributes:
        real: `[N, 8h, 8w, 1]` float32 in [0, 1].
        code: `[N, h, w, 1]` float32: `real`, reduced.
        noise: `[N, h, w, C]` float32, standard normal.
        uniform: `[N]` float32, uniform in [0, 1).
    """

    real: Tensor
    code: Tensor
    noise: Tensor
    uniform: Tensor


def pixel_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Mean absolute difference, weighted."""
    return PIXEL_WEIGHT * ops.mean(ops.abs(real - fake))


def band_energies(image: Tensor) -> list[Tensor]:
    """Log energy of oriented differences, at two scales, in blocks of 8x8 pixels.

    A fixed filter bank in the place of a trained texture network (after Gatys et al. 2015).
    """
    energies = []
    for block in (8, 4):
        across = image[:, 1:, 1:] - image[:, 1:, :-1]
        down = image[:, 1:, 1:] - image[:, :-1, 1:]
        cross = across[:, 1:] - across[:, :-1]
        for band in (across, down, cross):
            power = ops.average_pool(band**2, block, block, "valid")
            energies.append(0.5 * ops.log(power + 1e-5))
        image = ops.average_pool(image, 2, 2, "valid")
    return energies


def band_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Mean absolute difference of the log band energies."""
    pairs = zip(band_energies(real), band_energies(fake), strict=True)
    return 0.1 * sum(ops.mean(ops.abs(a - b)) for a, b in pairs)


class Objective:
    """One sampler in training: its helper networks, optimisers, and step.

    Args:
        sampler: The network whose weights are shipped.
        rate: Highest learning rate.
    """

    adversarial_weight = 0.2

    def __init__(self, sampler: keras.Model, *, rate: float) -> None:
        self.sampler: Any = sampler
        self.rate = rate
        self.helpers: dict[str, keras.Model] = {}
        self.optimizers: dict[str, keras.optimizers.Optimizer] = {"sampler": self._adam(0.5)}
        self.prepare()

    def _adam(self, beta: float) -> keras.optimizers.Optimizer:
        return keras.optimizers.Adam(self.rate, beta_1=beta, beta_2=0.99, global_clipnorm=1.0)

    def prepare(self) -> None:
        """Make helper networks and their optimisers."""

    def losses(self, batch: Batch, progress: Tensor) -> Losses:
        """Losses of the sampler and its trained-along helpers; they are summed."""
        raise NotImplementedError

    def trained_along(self) -> list[keras.Variable]:
        """Weights that follow the same losses as the sampler's."""
        return []

    def trained(self) -> dict[str, list[keras.Variable]]:
        """Weights each optimiser moves."""
        return {"sampler": self.sampler.trainable_variables + self.trained_along()}

    def phases(self) -> list[tuple[float, Callable[[Batch, Tensor], Losses]]]:
        """Which step to take from which share of the training on."""
        return [(0.0, self.step)]

    def step(self, batch: Batch, progress: Tensor) -> Losses:
        """One optimisation step.

        Args:
            batch: See `Batch`.
            progress: Share of the training done, scalar in [0, 1].

        Returns:
            Named losses, scalars.
        """
        with tf.GradientTape() as tape:
            losses = self.losses(batch, progress)
            total = sum(losses.values())
        self._apply("sampler", total, tape)
        return losses

    def _apply(self, name: str, total: Tensor, tape: tf.GradientTape) -> None:
        variables = self.trained()[name]
        gradients = tape.gradient(total, [variable.value for variable in variables])
        pairs = [
            (tf.zeros_like(v.value) if g is None else g, v)
            for g, v in zip(gradients, variables, strict=True)
        ]
        self.optimizers[name].apply_gradients(pairs)


class Adversarial(Objective):
    """Pixel loss plus the score of a patch critic, which is trained in turn."""

    def prepare(self) -> None:
        self.critic = Critic(CRITIC_WIDTHS)
        self.helpers["critic"] = self.critic
        self.optimizers["critic"] = self._adam(0.5)

    def trained(self) -> dict[str, list[keras.Variable]]:
        return {**super().trained(), "critic": self.critic.trainable_variables}

    def generator_score(self, fake: Tensor) -> Tensor:
        """Loss of the sampler, from the critic's scores."""
        return -ops.mean(fake)

    def critic_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Loss of the critic, from its scores."""
        raise NotImplementedError

    def critic_penalty(self, fake: Tensor, batch: Batch) -> Tensor:
        """Extra loss of the critic, from the images."""
        return ops.convert_to_tensor(0.0)

    def losses(self, batch: Batch, progress: Tensor) -> Losses:
        real, code, noise, uniform = batch
        fake = self.sampler((code, noise))
        score = self.generator_score(self.critic((fake, code)))
        warm = ops.minimum(progress * 10, 1.0)
        return {
            "pixel": pixel_loss(real, fake),
            "adversarial": self.adversarial_weight * warm * score,
        }

    def step(self, batch: Batch, progress: Tensor) -> Losses:
        real, code, noise, uniform = batch
        fake = tf.stop_gradient(self.sampler((code, noise)))
        with tf.GradientTape() as tape:
            loss = self.critic_loss(self.critic((real, code)), self.critic((fake, code)))
            total = loss + self.critic_penalty(fake, batch)
        self._apply("critic", total, tape)
        return {**super().step(batch, progress), "critic": loss}


class Hinge(Adversarial):
    """Hinge adversarial loss."""

    def critic_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        return ops.mean(ops.relu(1 - real)) + ops.mean(ops.relu(1 + fake))


class LeastSquares(Adversarial):
    """Least-squares adversarial loss (Mao et al. 2017)."""

    def critic_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        return ops.mean((real - 1) ** 2) + ops.mean(fake**2)

    def generator_score(self, fake: Tensor) -> Tensor:
        return ops.mean((fake - 1) ** 2)


class Wasserstein(Adversarial):
    """Wasserstein loss with gradient penalty (Gulrajani et al. 2017)."""

    adversarial_weight = 0.1
    penalty_weight = 10.0

    def critic_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        return ops.mean(fake) - ops.mean(real)

    def critic_penalty(self, fake: Tensor, batch: Batch) -> Tensor:
        real, code, _, uniform = batch
        share = uniform[:, None, None, None]
        mixed = share * real + (1 - share) * fake
        with tf.GradientTape() as tape:
            tape.watch(mixed)
            score = ops.mean(self.critic((mixed, code)), axis=(1, 2, 3))
        gradient = tape.gradient(score, mixed)
        norm = ops.sqrt(ops.sum(gradient**2, axis=(1, 2, 3)) + 1e-12)
        return self.penalty_weight * ops.mean((norm - 1) ** 2)


class Variational(Objective):
    """Reconstruction, divergence from the normal prior, and texture of both."""

    latent = 8
    divergence_weight = 0.02

    def prepare(self) -> None:
        self.encoder = Encoder(ENCODER_WIDTHS, 2 * self.latent)
        self.helpers["encoder"] = self.encoder

    def trained_along(self) -> list[keras.Variable]:
        return self.encoder.trainable_variables

    def encode(self, real: Tensor, code: Tensor, normal: Tensor) -> tuple[Tensor, Tensor]:
        """Draw from the posterior. Latent `[N, h, w, D]` and its divergence, a scalar."""
        mean, log_scale = ops.split(self.encoder((real, code)), 2, axis=-1)
        log_scale = ops.clip(log_scale, -5.0, 2.0)
        divergence = 0.5 * (mean**2 + ops.exp(2 * log_scale) - 1) - log_scale
        return mean + ops.exp(log_scale) * normal, ops.mean(divergence)

    def losses(self, batch: Batch, progress: Tensor) -> Losses:
        real, code, noise, uniform = batch
        normal, fine = noise[..., : self.latent], noise[..., self.latent :]
        latent, divergence = self.encode(real, code, normal)
        again = self.sampler((code, ops.concatenate([latent, fine], -1)))
        sample = self.sampler((code, noise))
        return {
            "pixel": pixel_loss(real, again),
            "divergence": self.divergence_weight * divergence,
            "bands": band_loss(real, again) + band_loss(real, sample),
        }


class VectorQuantisation(Objective):
    """Straight-through quantisation, and the cross-entropy of the token prior."""

    sampler: VectorQuantised

    def prepare(self) -> None:
        self.encoder = Encoder(ENCODER_WIDTHS, self.sampler.codebook.shape[1])
        self.helpers["encoder"] = self.encoder

    def trained_along(self) -> list[keras.Variable]:
        return self.encoder.trainable_variables

    def losses(self, batch: Batch, progress: Tensor) -> Losses:
        real, code, noise, uniform = batch
        latent = self.encoder((real, code))
        tokens = self.sampler.nearest(latent)
        entries = self.sampler.lookup(tokens)
        passed = latent + tf.stop_gradient(entries - latent)
        again = self.sampler.decoder((code, ops.concatenate([passed, noise[..., 1:]], -1)))
        codebook = ops.mean((entries - tf.stop_gradient(latent)) ** 2)
        commitment = ops.mean((latent - tf.stop_gradient(entries)) ** 2)
        return {
            "pixel": pixel_loss(real, again),
            "bands": 1.5 * band_loss(real, again),
            "codebook": codebook + 0.25 * commitment,
            "prior": 0.1 * self._prior_loss(code, tokens, tf.stop_gradient(entries)),
        }

    def _prior_loss(self, code: Tensor, tokens: Tensor, entries: Tensor) -> Tensor:
        first = checkerboard(code.shape[1], code.shape[2]) + 0 * code
        blank = self.sampler.prior((code, 0 * entries, 0 * code))
        half = self.sampler.prior((code, entries * first, first))
        guess = first * blank + (1 - first) * half
        return ops.mean(ops.sparse_categorical_crossentropy(tokens, guess, from_logits=True))


class Denoising(Objective):
    """Squared error of the velocity at a random time."""

    sampler: Diffusion

    def losses(self, batch: Batch, progress: Tensor) -> Losses:
        real, code, noise, uniform = batch
        time = 0.99 * uniform
        alpha, sigma = (f(time * np.pi / 2)[:, None, None, None] for f in (ops.cos, ops.sin))
        clean = self.sampler.fold_detail(real, code)
        normal = ops.depth_to_space(noise, 2)
        noisy = alpha * clean + sigma * normal
        velocity = self.sampler.net((noisy, self.sampler.condition(code), time))
        return {"velocity": ops.mean((velocity - (alpha * normal - sigma * clean)) ** 2)}


class Flow(Hinge):
    """Adversarial autoencoder, and a rectified flow from noise to its latents."""

    sampler: LatentFlow
    divergence_weight = 0.02

    def prepare(self) -> None:
        super().prepare()
        self.encoder = Encoder(ENCODER_WIDTHS, 2 * self.sampler.depth)
        self.helpers["encoder"] = self.encoder
        self.optimizers["flow"] = self._adam(0.5)

    def trained(self) -> dict[str, list[keras.Variable]]:
        return {**super().trained(), "flow": self.sampler.flow.trainable_variables}

    def trained_along(self) -> list[keras.Variable]:
        return self.encoder.trainable_variables

    def phases(self) -> list[tuple[float, Callable[[Batch, Tensor], Losses]]]:
        # Once the latents stand still, the flow alone goes on: it is far cheaper a step.
        return [(0.0, self.step), (0.5, self.flow_step)]

    def encode(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Draw from the posterior. Latent `[N, h, w, D]` and its divergence, a scalar."""
        mean, log_scale = ops.split(self.encoder((batch.real, batch.code)), 2, axis=-1)
        log_scale = ops.clip(log_scale, -5.0, 2.0)
        divergence = 0.5 * (mean**2 + ops.exp(2 * log_scale) - 1) - log_scale
        # The flow starts from this noise: the posterior must not be drawn with the same.
        normal = ops.roll(batch.noise[..., : self.sampler.depth], 1, axis=0)
        return mean + ops.exp(log_scale) * normal, ops.mean(divergence)

    def losses(self, batch: Batch, progress: Tensor) -> Losses:
        latent, divergence = self.encode(batch)
        fine = batch.noise[..., self.sampler.depth :]
        again = self.sampler.decoder((batch.code, ops.concatenate([latent, fine], -1)))
        score = self.generator_score(self.critic((again, batch.code)))
        return {
            "pixel": pixel_loss(batch.real, again),
            "divergence": self.divergence_weight * divergence,
            "adversarial": self.adversarial_weight * ops.minimum(progress * 10, 1.0) * score,
            "velocity": self._flow_loss(tf.stop_gradient(latent), batch),
        }

    def flow_step(self, batch: Batch, progress: Tensor) -> Losses:
        """One step of the flow alone."""
        latent, _ = self.encode(batch)
        with tf.GradientTape() as tape:
            loss = self._flow_loss(latent, batch)
        self._apply("flow", loss, tape)
        return {"velocity": loss}

    def _flow_loss(self, latent: Tensor, batch: Batch) -> Tensor:
        code, time = batch.code, batch.uniform
        normal = batch.noise[..., : self.sampler.depth]
        share = time[:, None, None, None]
        between = share * latent + (1 - share) * normal
        velocity = self.sampler.flow((between, code * 2 - 1, time))
        return ops.mean((velocity - (latent - normal)) ** 2)


OBJECTIVES: dict[str, Callable[..., Objective]] = {
    "hinge": Hinge,
    "least_squares": LeastSquares,
    "wasserstein": Wasserstein,
    "variational": Variational,
    "vector_quantised": VectorQuantisation,
    "denoising": Denoising,
    "flow": Flow,
}
