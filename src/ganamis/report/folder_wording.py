"""Sentences of a folder's page: what a picture shows, and what was not measured."""

import re
from collections.abc import Mapping, Sequence

from ganamis.contracts import CLEAN
from ganamis.report.parts import Group, and_list, percent

# What `data.degradations` calls them, for reading.
KINDS = {
    "jpeg": "JPEG, quality {}",
    "resize": "resized to {} % and back",
    "noise": "noise, {} gray levels",
    "blur": "blur, {} pixels",
    "gamma": "gamma {}",
}
TENTHS = ("blur", "gamma")  # `07` is 0.7
LEAST_SHARE = 0.005
FEW = 10  # images of a cluster below which its fingerprint is mostly content


def processing(conditions: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    """Kinds of processing for reading, the most frequent first, without the absent ones."""
    ordered = sorted(conditions.items(), key=lambda entry: -entry[1])
    return tuple((_kind(name), share) for name, share in ordered if share >= LEAST_SHARE)


def _kind(name: str) -> str:
    if name == CLEAN:
        return "none that the model knows"
    found = re.fullmatch(r"([a-z]+)(\d+)", name)
    if found is None or found[1] not in KINDS:
        return name
    digits = f"{int(found[2]) / 10:g}" if found[1] in TENTHS else found[2]
    return KINDS[found[1]].format(digits)


def doubt(cluster: str, share: float, other: str, rest: float) -> str:
    """An image's cluster and the next one, each with its probability."""
    text = f"{cluster}, {percent(share)}"
    return f"{text}; else {other}, {percent(rest)}" if rest >= 0.01 else text


def embedding_map(groups: Sequence[Group], *, drawn: int) -> str:
    """What the scatter plot shows."""
    sizes = and_list([f"{group.title} ({group.images})" for group in groups])
    return f"Scatter plot of {drawn} images, coloured by cluster. Images in each: {sizes}."


def missing(
    groups: Sequence[Group],
    *,
    given: bool,
    confidence: float | None,
    sampled: int | None,
    spectra: bool,
    processing: bool,
) -> tuple[str, ...]:
    """What is not said, or not known, of this folder.

    Args:
        sampled: images of a cluster in its fingerprint, at most; None where all are in it.
        spectra: the model knows what the fingerprints of its generators look like.
        processing: the page says which processing the images resemble.
    """
    few = [group.title for group in groups if group.name and group.images < FEW]
    sentences = [
        "How right this is. Nobody told which generator made which image, so nothing here is "
        "scored. On labelled folders `ganamis benchmark FOLDER --out scores.md --seeds 3` does.",
        "Whether an image is generated at all.",
    ]
    if given:
        sentences.append("Whether the number of generators is right: it was given.")
    elif confidence is None:
        sentences.append(
            "How sure the number of generators is: the model that answered does not say."
        )
    if few:
        sentences.append(
            f"Much of {and_list(few)}: with fewer than {FEW} images, content does not average out "
            "of a fingerprint."
        )
    if sampled is not None:
        sentences.append(
            f"The fingerprint of every image: those drawn here are means of {sampled} images of a "
            "cluster. The clusters themselves rest on all."
        )
    if not processing:
        sentences.append(
            "Which processing the images met: no generator here is known, and a soft or noisy one "
            "looks like blur or noise."
        )
    if not spectra:
        sentences.append(
            "What the fingerprints of the known generators look like: the model was stored "
            "without them."
        )
    sentences.append(
        "Generators, scanners and processing unlike those the model was made with. What it claims "
        "of them was never tested."
    )
    return tuple(sentences)
