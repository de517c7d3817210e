"""What `attribute` is measured against: the least it could do, and two other ways to do it."""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np
import scipy.fft
from scipy.ndimage import uniform_filter

from ganamis.data.images import read_gray
from ganamis.data.prefetch import CORES
from ganamis.extractors.architectures import build_network
from ganamis.extractors.exported import export
from ganamis.extractors.network import NetworkExtractor

SIDE = 256  # pixels of an image
NOISE = 9.0  # variance of what the Wiener filter takes for noise, gray levels squared


def rate(work: Callable[[], object], count: int) -> float:
    """Images per second of one call."""
    start = time.perf_counter()
    work()
    return count / (time.perf_counter() - start)


def on_all_cores(work: Callable[[Path], object], paths: Iterable[Path]) -> None:
    with ThreadPoolExecutor(CORES) as pool:
        for _ in pool.map(work, paths):
            pass


def ceiling(paths: Sequence[Path]) -> float:
    """Images per second where each is decoded and has one float32 spectrum, on all cores."""

    def least(path: Path) -> float:
        pixels = read_gray(path, size=SIDE)[0].astype(np.float32)
        return float(np.log(np.abs(scipy.fft.rfft2(pixels)) + 1).mean())

    return rate(lambda: on_all_cores(least, paths), len(paths))


def prnu(paths: Sequence[Path]) -> tuple[float, float]:
    """As cameras are told apart: residuals of a local Wiener filter, correlated pair by pair.

    After Lukas, Fridrich and Goljan 2006, the filter a local one in place of a wavelet one.

    Returns:
        Seconds of the residuals of an image, and of one pair's correlation.
    """

    def residual(path: Path) -> np.ndarray:
        pixels = read_gray(path, size=SIDE)[0].astype(np.float32)
        mean = uniform_filter(pixels, 3)
        spread = np.maximum(uniform_filter(pixels**2, 3) - mean**2, NOISE)
        noise = (pixels - mean) * (NOISE / spread)
        noise -= noise.mean()
        return noise.ravel() / (np.linalg.norm(noise) + 1e-9)

    start = time.perf_counter()
    with ThreadPoolExecutor(CORES) as pool:
        residuals = np.stack(list(pool.map(residual, paths)))
    middle = time.perf_counter()
    residuals @ residuals.T
    return (middle - start) / len(paths), (time.perf_counter() - middle) / len(paths) ** 2


def vgg19(images: np.ndarray) -> float:
    """Images per second of the paper's VGG19 on whole images `[N, 256, 256]`, features alone."""
    model = build_network(
        "vgg19", crop=SIDE, classes=3, weights="none", dropout=0.0, trainable_share=1.0
    )
    features = keras.Model(model.input, model.get_layer("features").output)
    network = NetworkExtractor(export(features, batch=16), crop=SIDE, views=1)
    network.embed(images[:8])
    return rate(lambda: network.embed(images), len(images))
