"""The paper's protocol at length for one network, and what each step after its training changes.

    python benchmarks/paper_protocol.py data/zoo mobilenetv2 --crop 256 --epochs 200

FOLDER has the ImageCLEF layout with labels, which score and do nothing else. Training goes on from
its last finished epoch, so it may be stopped and asked again, with more epochs or with fewer than
it has made. The rest is the protocol's: random weights, Adam at 1e-4, batches of 16, patience 50,
the checkpoint of the lowest validation loss, the penultimate layer.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from ganamis.clustering.methods import OPEN_WORLD
from ganamis.contracts import Extractor, Reference
from ganamis.data.content import content_descriptors
from ganamis.data.labelled import LabelledImages, read_labelled
from ganamis.extractors.accuracy import held_out_accuracy
from ganamis.extractors.architectures import FEATURES, NETWORKS
from ganamis.extractors.crops import take_views
from ganamis.extractors.exported import export
from ganamis.extractors.network import NetworkExtractor
from ganamis.extractors.training import LOG_FILE, NetworkTrainer, seeing, settle
from ganamis.model.backend import BackEnd
from ganamis.params import PaperNetwork, Params, load_params

BATCH = 16
HELD_OUT = 4  # every so many-th development image of a generator is not trained on


def held_out_rows(generators: np.ndarray) -> np.ndarray:
    """`[N]` bool: a quarter of each generator's images; they come ordered by digest."""
    chosen = np.zeros(len(generators), dtype=bool)
    for name in np.unique(generators):
        chosen[np.flatnonzero(generators == name)[::HELD_OUT]] = True
    return chosen


def trained(
    images: LabelledImages, name: str, params: Params, *, crop: int, epochs: int, folder: Path
) -> Extractor:
    """The network after `epochs`, at most, and the best of its checkpoints."""
    profile = params.profiles["paper"]
    training = profile.training.model_copy(update={"epochs": epochs})
    network = PaperNetwork(weights="none", crop=crop)
    labels = np.unique(images.taught_generators, return_inverse=True)[1]
    return NetworkTrainer(name, network, training, params.seed).fit_final(
        images.taught,
        labels,
        profile.first_trial,
        held_out=held_out_rows(images.taught_generators),
        folder=folder,
    )


def last_epoch(images: LabelledImages, *, crop: int, folder: Path) -> Extractor:
    """The network after its last epoch, its batch normalisation's averages taken anew.

    The validation loss that chooses a checkpoint is computed with averages that lag behind the
    weights by hundreds of steps; this is what the weights themselves have learned.
    """
    (path,) = folder.glob("epoch-*.keras")
    model = keras.saving.load_model(path)
    trained_on = images.taught[~held_out_rows(images.taught_generators)]
    mixed = np.random.default_rng(0).permutation(trained_on)
    pixels = take_views(mixed, crop, 1)
    batches = (pixels[start : start + BATCH] for start in range(0, len(pixels), BATCH))
    settle(model, seeing(model), batches)
    features = keras.Model(model.inputs, model.get_layer(FEATURES).output)
    return NetworkExtractor(export(features, batch=BATCH), crop=crop, views=1)


def rows(images: LabelledImages, extractor: Extractor, params: Params) -> Iterator[tuple[str, str]]:
    """Accuracy on held-out development images, then ARI step by step."""
    taught, asked = extractor.embed(images.taught), extractor.embed(images.images)
    held_out, truth = held_out_rows(images.taught_generators), images.generators
    accuracy = held_out_accuracy(taught, images.taught_generators, held_out)
    yield "held-out accuracy of a linear head", f"{accuracy:.3f}"
    count = len(set(truth.tolist()))
    found = KMeans(count, n_init=10, random_state=params.seed).fit_predict(asked)
    mixed = np.random.default_rng(params.seed).permutation(found)
    yield "k-means, rows in another order than the names", f"{ari(truth, mixed):+.4f}"
    yield "k-means", f"{ari(truth, found):+.4f}"
    reference = Reference(taught, images.taught_generators, {}, extractor.views)
    backend = BackEnd.fit(reference, settings=params.model, seed=params.seed).named()
    identities = np.array([f"{row:06d}" for row in range(len(asked))])
    content = content_descriptors(images.images)
    batch = backend.reduce(asked, identities, content, views=extractor.views)
    for clusterer, clusters in (
        ("kmeans_whitened", count),
        (OPEN_WORLD, count),
        (OPEN_WORLD, None),
    ):
        labels = replace(backend, clusterer=clusterer).together(batch, clusters=clusters).labels
        told = "found out" if clusters is None else "given"
        number = len(set(labels.tolist()))
        yield f"{clusterer}, number {told}", f"{ari(truth, labels):+.4f} ({number} of {count})"


def ari(truth: np.ndarray, labels: np.ndarray) -> float:
    return float(adjusted_rand_score(truth, labels))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("network", choices=NETWORKS)
    parser.add_argument("--crop", type=int, required=True, help="pixels; the paper has 256")
    parser.add_argument("--epochs", type=int, required=True, help="at most; the paper has 200")
    parser.add_argument("--work", type=Path, default=Path("work/paper_protocol"))
    given = parser.parse_args()
    params, images = load_params(), read_labelled(given.folder)
    folder = given.work / f"{given.network}-{given.crop}"
    extractor = trained(
        images, given.network, params, crop=given.crop, epochs=given.epochs, folder=folder
    )
    made = len((folder / LOG_FILE).read_text(encoding="utf-8").splitlines()) - 1
    last = last_epoch(images, crop=given.crop, folder=folder)
    for title, chosen in (("best validation loss", extractor), ("last epoch", last)):
        print(f"\n| {given.network}, {given.crop} pixels, {made} epochs: {title} | |")
        print("| --- | --- |")
        for step, value in rows(images, chosen, params):
            print(f"| {step} | {value} |", flush=True)


if __name__ == "__main__":
    main()
