"""Whether the zoo is fair, sharp, and told apart by its fingerprints: the figures of docs/zoo.md.

Run as `python -m ganamis.zoo.measures [--count 60] [--sheet docs/images/zoo_samples.png]`.
"""

import argparse
import csv
import json
import time
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ganamis.zoo.generators import GENERATORS
from ganamis.zoo.geometry import reduce
from ganamis.zoo.sampling import deal_codes, render, sample_images
from ganamis.zoo.weights import shipped

DEFAULT_TEST = ("dcgan", "vae", "pixel_shuffle", "diffusion", "latent_flow")
CONTENT_COMPONENTS = 20
FINGERPRINT_COMPONENTS = 12
HISTOGRAM_BINS = 32

Images = NDArray[np.uint8]


def content_score(images: Images, labels: Sequence[str], *, seed: int) -> float:
    """Adjusted Rand index of the content-only baseline: thumbnail, PCA, k-means with the true k.

    Args:
        images: `[N, 256, 256]` uint8.
        labels: Generator of each image.
        seed: Of PCA and k-means.
    """
    thumbnails = reduce(images.astype(np.float32)).reshape(len(images), -1)
    return _cluster_score(thumbnails, labels, CONTENT_COMPONENTS, whiten=False, seed=seed)


def fingerprint_score(images: Images, labels: Sequence[str], *, seed: int) -> float:
    """Adjusted Rand index of log power spectra in 32x32 bins, PCA-whitened, k-means, true k."""
    size = images.shape[-1]
    taper = np.hanning(size)[:, None] * np.hanning(size)[None]
    centred = images - images.mean(axis=(1, 2), keepdims=True)
    power = np.abs(np.fft.fftshift(np.fft.fft2(centred * taper), axes=(1, 2))) ** 2
    bins = np.log(reduce(power) + 1e-3)[:, : 32 // 2 + 1]
    features = bins.reshape(len(images), -1)
    features = (features - features.mean(0)) / (features.std(0) + 1e-9)
    return _cluster_score(features, labels, FINGERPRINT_COMPONENTS, whiten=True, seed=seed)


def _cluster_score(
    features: NDArray[np.floating],
    labels: Sequence[str],
    components: int,
    *,
    whiten: bool,
    seed: int,
) -> float:
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA
    from sklearn.metrics import adjusted_rand_score

    reduced = PCA(components, whiten=whiten, random_state=seed).fit_transform(features)
    found = KMeans(len(set(labels)), n_init=10, random_state=seed).fit_predict(reduced)
    return float(adjusted_rand_score(labels, found))


def histogram_overlap(first: Images, second: Images) -> float:
    """Shared area of two intensity histograms over 32 bins; 1 means equal."""
    shares = [
        np.histogram(images, bins=HISTOGRAM_BINS, range=(0, 256))[0] / images.size
        for images in (first, second)
    ]
    return float(np.minimum(*shares).sum())


def sharpness(images: Images) -> NDArray[np.float64]:
    """Share of spectral energy above half the Nyquist frequency, mean intensity left out.

    Args:
        images: `[N, H, W]` uint8.

    Returns:
        `[N]`, in [0, 1].
    """
    centred = images - images.mean(axis=(1, 2), keepdims=True)
    power = np.abs(np.fft.fft2(centred)) ** 2
    rows, columns = (np.fft.fftfreq(n) for n in images.shape[1:])
    high = np.hypot(rows[:, None], columns[None]) > 0.25
    return power[:, high].sum(1) / power.sum(axis=(1, 2))


def contact_sheet(images_by_row: Sequence[Images]) -> Images:
    """Put rows of images into one. Rows of `[C, 256, 256]` uint8 -> `[R 256, C 256]`."""
    return np.concatenate([np.concatenate(list(row), axis=1) for row in images_by_row])


def _print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    print("\n| " + " | ".join(header) + " |\n|" + " --- |" * len(header))
    for row in rows:
        print("| " + " | ".join(row) + " |")


def _print_generators(drawn: dict[str, Images], speed: dict[str, float]) -> None:
    rows = [
        [
            name,
            f"{images.mean():.1f}",
            f"{images.std(axis=(1, 2)).mean():.1f}",
            f"{1e3 * sharpness(images).mean():.2f}",
            f"{speed[name]:.1f}",
        ]
        for name, images in drawn.items()
    ]
    try:
        from ganamis.zoo.series import read_series

        real = np.round(read_series() * 255).astype(np.uint8)
        figures = f"{real.mean():.1f}", f"{real.std(axis=(1, 2)).mean():.1f}"
        rows.append(["real slices", *figures, f"{1e3 * sharpness(real).mean():.2f}", ""])
    except ModuleNotFoundError as error:
        print(error)
    _print_table(("generator", "mean", "contrast", "sharpness, 1/1000", "images/s"), rows)


def _print_training() -> None:
    """Cards and loss curves, from the files shipped beside the weights."""
    rows = []
    for name in GENERATORS:
        card = json.loads(shipped(name).with_suffix(".json").read_text())
        with shipped(name).with_suffix(".csv").open(newline="") as file:
            curve = list(csv.DictReader(file))
        # The loss that is trained to the end; the first one where there are several.
        leading = next(key for key, value in curve[-1].items() if key != "step" and value)
        tenth = max(1, len(curve) // 10)
        places = (slice(0, tenth), slice(3 * tenth, 4 * tenth), slice(-tenth, None))
        means = [np.mean([float(row[leading]) for row in curve[place]]) for place in places]
        rows.append(
            [
                name,
                f"{card['parameters']:,}",
                f"{shipped(name).stat().st_size / 1e6:.2f}",
                str(card["seed"]),
                str(card["steps"]),
                f"{card['wall_seconds']:.0f}",
                card["commit"],
                f"{leading}: " + ", ".join(f"{mean:.3f}" for mean in means),
            ]
        )
    header = "generator, parameters, MB, seed, steps, seconds, commit".split(", ")
    _print_table((*header, "loss in the first, fourth, last tenth"), rows)


def _print_pairs(drawn: dict[str, Images], *, seed: int) -> None:
    rows = []
    for first, second in combinations(drawn, 2):
        images = np.concatenate([drawn[first], drawn[second]])
        labels = [name for name in (first, second) for _ in drawn[name]]
        rows.append(
            [
                f"{first}, {second}",
                f"{content_score(images, labels, seed=seed):.3f}",
                f"{histogram_overlap(drawn[first], drawn[second]):.3f}",
            ]
        )
    _print_table(("pair", "content ARI", "histogram overlap"), rows)


def _print_codes(count: int, *, seed: int) -> None:
    from ganamis.zoo.anatomy import nearest_distance, reference_thumbnails, sample_codes

    try:
        from ganamis.zoo.series import read_series

        real = read_series()
    except ModuleNotFoundError as error:
        print(error)
        return
    distance = nearest_distance(sample_codes(count, seed=seed), reference_thumbnails(real))
    between = reduce(real)
    adjacent = np.sqrt(((between[1:] - between[:-1]) ** 2).mean(axis=(1, 2)))
    print(
        f"\nroot mean square distance of {count} codes to the nearest real slice: "
        f"least {distance.min():.3f}, median {np.median(distance):.3f}; between neighbouring real "
        f"slices: median {np.median(adjacent):.3f}, largest {adjacent.max():.3f}"
    )


def main() -> None:
    """Draw from every generator and print the tables of docs/zoo.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sheet", type=Path)
    arguments = parser.parse_args()
    drawn, speed = {}, {}
    for order in deal_codes({}, dict.fromkeys(GENERATORS, arguments.count), seed=arguments.seed):
        sample_images(order.name, 1, seed=0)
        started = time.perf_counter()
        drawn[order.name] = np.stack(list(render(order.name, order.codes, seed=order.seed)))
        speed[order.name] = arguments.count / (time.perf_counter() - started)
    _print_training()
    _print_generators(drawn, speed)
    for names in (tuple(GENERATORS), DEFAULT_TEST):
        images = np.concatenate([drawn[name] for name in names])
        labels = [name for name in names for _ in drawn[name]]
        content = content_score(images, labels, seed=arguments.seed)
        fingerprint = fingerprint_score(images, labels, seed=arguments.seed)
        print(f"\n{len(names)} generators: content {content:.3f}, fingerprint {fingerprint:.3f}")
    _print_pairs(drawn, seed=arguments.seed)
    _print_codes(500, seed=arguments.seed)
    if arguments.sheet:
        from PIL import Image

        from ganamis.zoo.anatomy import sample_codes

        codes = sample_codes(4, seed=arguments.seed + 5)
        rows = [np.stack(list(render(name, codes, seed=arguments.seed))) for name in GENERATORS]
        arguments.sheet.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(contact_sheet(rows)).save(arguments.sheet, optimize=True)


if __name__ == "__main__":
    main()
