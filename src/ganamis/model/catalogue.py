"""Which generators a model knows: taught by labelled images, learned later, forgotten again."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import count

import numpy as np

from ganamis.clustering.nuisance import Nuisance
from ganamis.contracts import CLEAN, Extractor, Reference, view_means
from ganamis.data.degradations import degrade
from ganamis.errors import UserError
from ganamis.extractors.power_spectra import mean_spectra
from ganamis.model.backend import COPIES, BackEnd, rounded
from ganamis.model.embedding import in_batches
from ganamis.model.fingerprint import FingerprintModel
from ganamis.params import ModelSettings

LEAST_IMAGES = 4  # of a generator, below which nothing can be said of what varies inside it


def refer(
    extractor: Extractor,
    images: np.ndarray,
    generators: np.ndarray,
    *,
    conditions: Sequence[str],
    seed: int,
) -> Reference:
    """Embed labelled images, and their degraded copies.

    Args:
        images: `[M, H, W]` uint8. generators: `[M]` str.
        conditions: degradations; the clean one need not be named.
    """

    def embed(pixels: np.ndarray) -> np.ndarray:
        return np.concatenate(in_batches(extractor.embed, pixels))

    copies = {
        name: view_means(embed(degrade(images, name, seed=seed)), extractor.views)
        for name in conditions
        if name != CLEAN
    }
    names = np.asarray(generators).astype(str)
    return Reference(embed(images), names, copies, extractor.views)


def fit_on_images(
    extractor: Extractor,
    images: np.ndarray,
    generators: np.ndarray,
    *,
    conditions: Sequence[str],
    settings: ModelSettings,
    seed: int,
) -> FingerprintModel:
    """A calibrated model of the generators of `[M, H, W]` uint8 images; see `refer`."""
    reference = refer(extractor, images, generators, conditions=conditions, seed=seed)
    backend = BackEnd.fit(reference, settings=settings, seed=seed).calibrated()
    return FingerprintModel(extractor, backend, mean_spectra(images, np.asarray(generators)))


def learn(model: FingerprintModel, images: np.ndarray, generators: np.ndarray) -> FingerprintModel:
    """The model with further generators in its catalogue, calibrated anew.

    Args:
        images: `[M, H, W]` uint8. generators: `[M]` str, their names.

    Raises:
        UserError: names that are taken already or differ in case alone, or a generator of too
            few images.
    """
    names, sizes = np.unique(np.asarray(generators).astype(str), return_counts=True)
    taken = {name.casefold() for name in model.known}
    spelled: dict[str, list[str]] = {}
    for name in names.tolist():
        spelled.setdefault(name.casefold(), []).append(name)
    offences = (
        [
            f"'{name}' is known already; choose another name, or forget it first"
            for name in names.tolist()
            if name.casefold() in taken
        ]
        + [
            f"{', '.join(map(repr, alike))} differ in case alone; give one name, or two that differ"
            for alike in spelled.values()
            if len(alike) > 1
        ]
        + [
            f"'{name}' has {size} images; give at least {LEAST_IMAGES}"
            for name, size in zip(names.tolist(), sizes.tolist(), strict=True)
            if size < LEAST_IMAGES
        ]
    )
    if offences:
        raise UserError("cannot learn:\n  " + "\n  ".join(offences))
    backend = model.backend
    conditions = backend.nuisance.conditions
    more = refer(model.extractor, images, generators, conditions=conditions, seed=backend.seed)
    copies = np.stack([backend.nuisance.reduce(more.conditions[name]) for name in conditions])
    before = _set_apart(backend.nuisance, names.tolist())
    wider = replace(
        backend,
        nuisance=before.joined(rounded(copies, COPIES), more.generators),
        known=tuple(sorted({*model.known, *names.tolist()})),
    )
    spectra = {**model.spectra, **mean_spectra(images, more.generators)}
    return replace(model, backend=wider.calibrated(), spectra=spectra)


def _set_apart(nuisance: Nuisance, names: Collection[str]) -> Nuisance:
    """The same images, those of a forgotten generator renamed where a new one bears its name.

    A name says nothing of who made an image: the user's `vae` need not be ours.
    """
    labels = nuisance.labels.astype(object)
    numbers = count(1)
    for name in sorted(set(names) & set(labels.tolist())):
        others = {*names, *labels.tolist()}
        labels[labels == name] = next(
            other for other in (f"forgotten-{n}" for n in numbers) if other not in others
        )
    return replace(nuisance, labels=labels.astype(str))


def forget(model: FingerprintModel, names: Collection[str]) -> FingerprintModel:
    """The model without these generators; what varies inside them stays learned.

    Raises:
        UserError: a name that the model does not know.
    """
    strangers = sorted(set(names) - set(model.known))
    if strangers:
        raise UserError(
            f"cannot forget {', '.join(map(repr, strangers))}: not known; the model knows "
            f"{', '.join(map(repr, model.known)) or 'nobody'}"
        )
    left = tuple(name for name in model.known if name not in names)
    spectra = {name: model.spectra[name] for name in left if name in model.spectra}
    return replace(model, backend=replace(model.backend, known=left), spectra=spectra)


def without_trace(model: FingerprintModel, names: Collection[str]) -> FingerprintModel:
    """The model as if it had never seen these generators, but for its basis; calibrated anew."""
    if not names:
        return model
    narrower = forget(model, names)
    backend = narrower.backend
    rest = backend.nuisance.rows(~np.isin(backend.nuisance.labels, list(names)))
    return replace(narrower, backend=replace(backend, nuisance=rest).calibrated())


def taught(model: FingerprintModel, images: np.ndarray, generators: np.ndarray) -> FingerprintModel:
    """The model with the generators of labelled images in place of those it knew.

    What it learned of other generators goes on teaching what varies inside one.
    """
    return learn(forget(model, model.known), images, generators)
