"""`ganamis attribute` on 3,000 images of 256x256, whole process, beside the paper's VGG19 features.

Run `python benchmarks/attribute_speed.py` in the project's folder. Images are simulated: four
generators that filter noise each in their own way, three of them in development.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from ganamis.data.images import read_gray
from ganamis.extractors.architectures import build_network
from ganamis.extractors.exported import export
from ganamis.extractors.network import NetworkExtractor
from ganamis.params import load_params
from ganamis.stages.ship import shipped_extractor

SIDE, DEVELOPMENT, IMAGES = 256, 180, 3000
SPECTRA, NETWORK = 600, 48  # images timed by each extractor


def draw(index: int, label: int) -> np.ndarray:
    """One image `[256, 256]` uint8 of one of four simulated generators."""
    random = np.random.default_rng(index)
    noise = random.normal(size=(SIDE, SIDE)).astype(np.float32)
    texture = gaussian_filter(noise, 0.5 + 0.15 * label)
    content = gaussian_filter(noise[::-1], 12)
    return np.clip(128 + 300 * content + 8 * texture / texture.std(), 0, 255).astype(np.uint8)


def write(root: Path) -> None:
    for label in range(3):
        (root / "development" / f"model-{label}").mkdir(parents=True)
    (root / "test").mkdir()

    def save(index: int) -> None:
        taught = index < DEVELOPMENT
        label = index % (3 if taught else 4)
        folder = root / ("development" if taught else "test")
        path = folder / f"model-{label}" if taught else folder
        Image.fromarray(draw(index, label)).save(path / f"{index:05d}.png")

    with ThreadPoolExecutor() as pool:
        list(pool.map(save, range(DEVELOPMENT + IMAGES)))


def rate(embed: Callable[[np.ndarray], np.ndarray], images: np.ndarray) -> float:
    """Images per second, the first few not counted."""
    embed(images[:8])
    start = time.perf_counter()
    embed(images)
    return len(images) / (time.perf_counter() - start)


def main() -> None:
    params = load_params()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        write(root)
        start = time.perf_counter()
        command = [sys.executable, "-m", "ganamis", "attribute", str(root)]
        subprocess.run([*command, "--out", str(root / "clusters.csv")], check=True)
        whole = time.perf_counter() - start
        paths = sorted((root / "test").iterdir())[:SPECTRA]
        start = time.perf_counter()
        images = np.stack([read_gray(path, size=SIDE)[0] for path in paths])
        decoding = len(paths) / (time.perf_counter() - start)
    print(f"whole process: {whole:.1f} s for {IMAGES} images, {IMAGES / whole:.0f} images/s")
    spectrum = rate(shipped_extractor(params).embed, images)
    model = build_network(
        "vgg19", crop=SIDE, classes=3, weights="none", dropout=0.0, trainable_share=1.0
    )
    features = keras.Model(model.input, model.get_layer("features").output)
    network = NetworkExtractor(export(features, batch=16), crop=SIDE, views=1)
    paper = rate(network.embed, images[:NETWORK])
    print(f"decoding {decoding:.0f} images/s, spectrum {spectrum:.0f} images/s")
    print(f"VGG19 on whole images: {paper:.1f} images/s, {IMAGES / paper:.0f} s for features alone")
    print(f"the spectrum is {spectrum / paper:.0f} times as fast;", end=" ")
    print(f"the whole of `attribute` takes {whole * paper / IMAGES:.3f} of VGG19's features")


if __name__ == "__main__":
    main()
