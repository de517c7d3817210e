"""Attributing 3,000 images: decode, embed and cluster, beside a plain loop over the windows.

Run `python benchmarks/attribute_speed.py`. Images are simulated, encoded as PNG and read again.
"""

import io
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from ganamis.attribution.pipeline import fit
from ganamis.extractors.spectrum import frequency_kernel
from ganamis.params import load_params
from ganamis.stages.attribute import attribution_config, default_extractor

SIDE, IMAGES, LOOP = 256, 3000, 60
PARAMS = load_params(Path(__file__).parents[1] / "params.yaml")
SPECTRUM, CONFIG = default_extractor(PARAMS), attribution_config(PARAMS)


def draw(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images `[N, 256, 256]` uint8 of four simulated generators, and their labels."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 4
    images = np.empty((count, SIDE, SIDE), dtype=np.uint8)
    for index, label in enumerate(labels):
        noise = random.normal(size=(SIDE, SIDE)).astype(np.float32)
        texture = gaussian_filter(noise, 0.5 + 0.15 * label)
        content = gaussian_filter(noise[::-1], 12)
        images[index] = np.clip(128 + 300 * content + 8 * texture / texture.std(), 0, 255)
    return images, labels


def encode(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def decode(encoded: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(encoded)))


def plain(image: np.ndarray) -> np.ndarray:
    """The same features, one double-precision transform at a time."""
    step = SIDE // 4
    taper = np.outer(np.hanning(2 * step + 1)[:-1], np.hanning(2 * step + 1)[:-1])
    features = []
    for y in range(3):
        for x in range(3):
            tile = image[y * step : (y + 2) * step, x * step : (x + 2) * step].astype(float)
            power = np.abs(np.fft.fft2((tile - tile.mean()) * taper)) ** 2 / (taper**2).sum()
            for period in SPECTRUM.periods:
                kernel = frequency_kernel(2 * step, period, two_sided=True)
                features.append(np.log(kernel @ power @ kernel.T + 1 / 12).ravel())
    return np.concatenate(features)


def main() -> None:
    development, known = draw(240, 1)
    few = known < 3
    start = time.perf_counter()
    attributor = fit(SPECTRUM, development[few], known[few], config=CONFIG, seed=0)
    print(f"fit on {few.sum()} images: {time.perf_counter() - start:.1f} s")
    files = [encode(image) for image in draw(IMAGES, 2)[0]]
    start = time.perf_counter()
    with ThreadPoolExecutor(SPECTRUM.threads) as pool:
        images = np.stack(list(pool.map(decode, files)))
    decoded = time.perf_counter()
    embeddings = attributor.embed(images)
    embedded = time.perf_counter()
    result = attributor.cluster(embeddings, clusters=None)
    end = time.perf_counter()
    print(f"decode {decoded - start:.1f} s, embed {embedded - decoded:.1f} s, ", end="")
    print(f"cluster {end - embedded:.1f} s: {result.count} generators")
    print(f"decode and embed: {IMAGES / (embedded - start):.0f} images/s")
    begun = time.perf_counter()
    for image in images[:LOOP]:
        plain(image)
    loop = (time.perf_counter() - begun) / LOOP
    ratio = loop / ((embedded - decoded) / IMAGES)
    print(f"plain loop: {1 / loop:.0f} images/s; embedding is {ratio:.1f} times as fast")


if __name__ == "__main__":
    main()
