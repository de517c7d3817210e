"""The model as a folder of arrays and JSON; nothing is pickled."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from ganamis.clustering.nuisance import Nuisance
from ganamis.errors import UserError
from ganamis.extractors.loading import load_extractor
from ganamis.files import read_json, whole_file, write_json
from ganamis.model.backend import COPIES, SCATTER, BackEnd
from ganamis.model.fingerprint import FingerprintModel
from ganamis.model.naming import Calibration
from ganamis.params import ModelSettings

FORMAT = 1
MODEL_FILE, ARRAYS_FILE, EXTRACTOR = "model.json", "nuisance.npz", "extractor"
SPECTRA_FILE = "spectra.npz"  # for pictures alone: a model answers without it


def save_model(model: FingerprintModel, folder: Path) -> None:
    """Write the extractor, the arrays and the settings into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    model.extractor.save(folder / EXTRACTOR)
    backend, nuisance = model.backend, model.backend.nuisance
    with whole_file(folder / ARRAYS_FILE) as temporary:
        np.savez_compressed(
            temporary,
            mean=nuisance.mean,
            basis=nuisance.basis,
            copies=nuisance.copies.astype(COPIES),
            image_scatter=backend.image_scatter.astype(SCATTER),
            labels=nuisance.labels.astype(str),
            conditions=np.array(nuisance.conditions, dtype=str),
        )
    with whole_file(folder / SPECTRA_FILE) as temporary:
        np.savez_compressed(
            temporary,
            names=np.array(list(model.spectra), dtype=str),
            spectra=np.array(list(model.spectra.values()), dtype=np.float16),
        )
    stored = {
        "format": FORMAT,
        "known": backend.known,
        "clusterer": backend.clusterer,
        "seed": backend.seed,
        "naming": asdict(backend.naming),
        "single": asdict(backend.single),
        "settings": backend.settings.model_dump(),
    }
    write_json(folder / MODEL_FILE, stored)


def load_model(folder: Path) -> FingerprintModel:
    """Read what `save_model` wrote; see `load_backend`."""
    backend, extractor = load_backend(folder), load_extractor(folder / EXTRACTOR)
    return FingerprintModel(extractor, backend, _load_spectra(folder / SPECTRA_FILE))


def _load_spectra(path: Path) -> dict[str, np.ndarray]:
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as arrays:
        spectra = arrays["spectra"].astype(np.float32)
        return dict(zip(arrays["names"].tolist(), spectra, strict=True))


def load_backend(folder: Path) -> BackEnd:
    """Read the back end of a stored model, and leave its extractor alone.

    Raises:
        UserError: the folder holds no model, or one that this version does not read.
    """
    stored = read_json(folder / MODEL_FILE, stage="train")
    if stored.get("format") != FORMAT:
        raise UserError(
            f"the model in '{folder}' has format {stored.get('format')}, expected {FORMAT}; use "
            "the version of ganamis that wrote it, or fit it again"
        )
    try:
        settings = ModelSettings.model_validate(stored["settings"])
    except ValidationError as error:
        raise UserError(
            f"the settings of the model in '{folder}' are not those of this version ({error}); "
            "use the version of ganamis that wrote it, or fit it again"
        ) from error
    with np.load(folder / ARRAYS_FILE, allow_pickle=False) as arrays:
        nuisance = Nuisance(
            mean=arrays["mean"],
            basis=arrays["basis"],
            copies=arrays["copies"].astype(np.float32),
            labels=arrays["labels"],
            conditions=tuple(arrays["conditions"].tolist()),
        )
        image_scatter = arrays["image_scatter"].astype(np.float64)
    return BackEnd(
        nuisance=nuisance,
        image_scatter=image_scatter,
        known=tuple(stored["known"]),
        settings=settings,
        seed=stored["seed"],
        clusterer=stored["clusterer"],
        naming=Calibration(**stored["naming"]),
        single=Calibration(**stored["single"]),
    )
