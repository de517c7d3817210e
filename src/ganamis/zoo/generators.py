"""The eight generators of the zoo: what each is made of and how it was trained."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Generator:
    """One generative model of lung CT slices.

    Attributes:
        family: The kind of model, in words.
        upsampling: How it comes from 32x32 to 256x256, in words.
        loss: What it was trained for, in words.
        objective: Which of `objectives.OBJECTIVES` trains it.
        seed: Seed of the weights and of the training batches.
        steps: Training steps of the shipped weights.
        batch: Crops in a training step.
        rate: Highest learning rate.
        noise_channels: Channels of the normal noise it draws from, at 32x32.
        build: Makes the untrained network, from `(code [N, h, w, 1], noise [N, h, w, C])` to
            `[N, 8h, 8w, 1]`. Imports TensorFlow.
    """

    family: str
    upsampling: str
    loss: str
    objective: str
    seed: int
    steps: int
    batch: int
    rate: float
    noise_channels: int
    build: Callable[[], "keras.Model"]


_WIDTHS = (48, 40, 24, 16)


def _decoder(upsampling: str) -> "keras.Model":
    from ganamis.zoo.layers import Decoder

    return Decoder(upsampling, _WIDTHS)


def _vector_quantised() -> "keras.Model":
    from ganamis.zoo.families import VectorQuantised

    return VectorQuantised("transposed_2", _WIDTHS, entries=64, depth=8, prior_width=48)


def _diffusion() -> "keras.Model":
    from ganamis.zoo.families import Diffusion

    return Diffusion((48, 80), steps=12, scale=8.0)


def _latent_flow() -> "keras.Model":
    from ganamis.zoo.families import LatentFlow

    return LatentFlow("haar", _WIDTHS, depth=8, flow_widths=(64, 96), steps=8)


def _dcgan(seed: int) -> Generator:
    return Generator(
        family="DCGAN-style decoder",
        upsampling="transposed convolution, 4x4 kernel, stride 2",
        loss="10 L1 + 0.2 hinge adversarial (patch critic)",
        objective="hinge",
        seed=seed,
        steps=1600,
        batch=8,
        rate=1e-3,
        noise_channels=24,
        build=partial(_decoder, "transposed_4"),
    )


GENERATORS: dict[str, Generator] = {
    "dcgan": _dcgan(seed=11),
    "wgan_gp": Generator(
        family="Wasserstein GAN with gradient penalty",
        upsampling="nearest neighbour, then 3x3 convolution",
        loss="10 L1 + 0.1 Wasserstein adversarial (patch critic), gradient penalty 10",
        objective="wasserstein",
        seed=12,
        steps=2000,
        batch=8,
        rate=1e-3,
        noise_channels=24,
        build=partial(_decoder, "nearest"),
    ),
    "vae": Generator(
        family="conditional variational autoencoder",
        upsampling="bilinear, then 3x3 convolution",
        loss="10 L1 + 0.02 KL + band energy of reconstructions and of prior samples",
        objective="variational",
        seed=13,
        steps=1600,
        batch=8,
        rate=1e-3,
        noise_channels=24,
        build=partial(_decoder, "bilinear"),
    ),
    "vqvae": Generator(
        family="VQ-VAE with a checkerboard token prior",
        upsampling="transposed convolution, 2x2 kernel, stride 2 (no overlap)",
        loss="10 L1 + codebook and commitment + band energy; cross-entropy for the prior",
        objective="vector_quantised",
        seed=14,
        steps=3600,
        batch=8,
        rate=1e-3,
        noise_channels=17,
        build=_vector_quantised,
    ),
    "pixel_shuffle": Generator(
        family="least-squares GAN",
        upsampling="sub-pixel convolution (pixel shuffle)",
        loss="10 L1 + 0.2 least-squares adversarial (patch critic)",
        objective="least_squares",
        seed=15,
        steps=2000,
        batch=8,
        rate=1e-3,
        noise_channels=24,
        build=partial(_decoder, "pixel_shuffle"),
    ),
    "diffusion": Generator(
        family="denoising diffusion, 12 DDIM steps",
        upsampling="none learned: 4x4 space-to-depth, unfolded at the end",
        loss="squared error of the velocity",
        objective="denoising",
        seed=16,
        steps=4000,
        batch=12,
        rate=1.5e-3,
        noise_channels=64,
        build=_diffusion,
    ),
    "latent_flow": Generator(
        family="rectified flow over an autoencoder's latents, 8 Euler steps",
        upsampling="inverse Haar wavelet steps",
        loss="10 L1 + 0.02 KL + 0.2 hinge; second half: squared error of the flow's velocity",
        objective="flow",
        seed=17,
        steps=2600,
        batch=8,
        rate=1e-3,
        noise_channels=24,
        build=_latent_flow,
    ),
    "dcgan_seed2": _dcgan(seed=18),
}


def generator(name: str) -> Generator:
    """Look a generator up.

    Raises:
        ValueError: Unknown name; the message lists the valid ones.
    """
    if name not in GENERATORS:
        raise ValueError(f"no generator {name!r}; choose from: {', '.join(GENERATORS)}")
    return GENERATORS[name]
