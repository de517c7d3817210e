"""The six networks as they embed (OpenVINO) beside Keras' `predict` on the same layers.

Run `python benchmarks/embedding_speed.py` in the project's folder. Each network up to the layer
where the recipe `fingerprint` reads it first, and whole, on the same random crops: the outputs must
agree to 1e-3 of the largest; images per second are the best of three.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from ganamis.extractors.architectures import FEATURES, NETWORKS, build_network, build_trunk
from ganamis.extractors.exported import export
from ganamis.params import FingerprintNetwork, load_params

BATCH, IMAGES = 32, 128  # crops computed at once, and timed
WHOLE = 96  # pixels of a crop of the whole networks
ROUNDS = 3
TOLERANCE = 1e-3


def best_rate(embed: Callable[[np.ndarray], np.ndarray], pixels: np.ndarray) -> float:
    """Crops per second, the best of several rounds; the first call, which compiles, is apart."""
    embed(pixels[:BATCH])
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        embed(pixels)
        seconds.append(time.perf_counter() - start)
    return len(pixels) / min(seconds)


def networks() -> Iterator[tuple[str, Any, int]]:
    """A name, a Keras model and the width of its input."""
    extractors = dict(load_params().active.extractors)
    for name in NETWORKS:
        numbers = extractors[f"{name}_fingerprint"]
        assert isinstance(numbers, FingerprintNetwork)
        crop, depth = numbers.crops[0], numbers.depths[0]
        trunk = build_trunk(name, crop=crop, depth=depth, weights="none")
        yield f"{name} to stride {depth}", trunk, crop
        whole = build_network(
            name, crop=WHOLE, classes=3, weights="none", dropout=0.0, trainable_share=1.0
        )
        yield f"{name}, whole", keras.Model(whole.input, whole.get_layer(FEATURES).output), WHOLE


def main() -> None:
    keras.utils.set_random_seed(0)
    print(
        f"{'network':28} {'crop':>4} {'Keras':>8} {'OpenVINO':>9} {'ratio':>6} {'difference':>10}"
    )
    for title, model, crop in networks():
        pixels = np.random.default_rng(0).uniform(0, 255, (IMAGES, crop, crop, 1))
        pixels = pixels.astype(np.float32)

        def predict(rows: np.ndarray, model: Any = model) -> np.ndarray:
            return np.asarray(model.predict(rows, batch_size=BATCH, verbose=0))

        exported = export(model, batch=BATCH)
        expected, found = predict(pixels), exported(pixels)
        difference = float(np.abs(expected - found).max() / np.abs(expected).max())
        slow, fast = best_rate(predict, pixels), best_rate(exported, pixels)
        print(
            f"{title:28} {crop:4} {slow:8.0f} {fast:9.0f} {fast / slow:6.1f} {difference:10.1e}",
            flush=True,
        )
        assert difference < TOLERANCE, f"{title}: outputs differ by {difference}"


if __name__ == "__main__":
    main()
