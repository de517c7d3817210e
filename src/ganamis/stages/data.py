"""`sample` or `import`, then `ingest`: from generators or a user's folder to a manifest."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from dvc.utils.serialize import modify_yaml

from ganamis.contracts import DEVELOPMENT, TEST, Embeddings, Manifest
from ganamis.data.batches import stream_images
from ganamis.data.content import content_descriptors, thumbnails
from ganamis.data.layout import LABELS_FILE
from ganamis.data.lineage import add_to_dvc, data_digest, dvc_project
from ganamis.data.manifest import check_folder
from ganamis.errors import UserError
from ganamis.files import try_output, whole_folder, write_json
from ganamis.params import PARAMS_FILE, Params
from ganamis.stages.paths import IMPORTED, INGEST, ZOO, data_root

BATCH = 256  # images decoded at once


def sample(params: Params) -> None:
    """Draw the default data set from the zoo."""
    try_output(ZOO, folder=True)
    from ganamis.zoo.sampling import write_dataset

    try:
        done = write_dataset(ZOO, **params.sample.model_dump(), seed=params.seed)
    except ValueError as error:
        raise UserError(f"params.yaml: sample: {error}") from error
    print(f"Drew {done['images']} images in {done['seconds']:.0f} s into '{ZOO}'.")


def import_folder(source: Path, params: Params) -> None:
    """Check a user's data set, copy it into `data/imported`, and put it under DVC."""
    if not source.is_dir():
        raise UserError(f"'{source}' is not a folder; name the folder that holds {DEVELOPMENT}/")
    if source.resolve().is_relative_to(IMPORTED.resolve()):
        raise UserError(f"'{source}' is the imported data itself; name the original folder")
    try_output(IMPORTED, folder=True)
    checked = check_folder(source, size=params.data.size, near_duplicate=params.data.near_duplicate)
    with dvc_project():  # before anything is replaced
        pass
    with whole_folder(IMPORTED) as folder:
        for relative in checked.manifest.rows["path"]:
            target = folder / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / relative, target)
        if checked.labels is not None:
            shutil.copyfile(source / LABELS_FILE, folder / LABELS_FILE)
    add_to_dvc(IMPORTED)
    print(f"Imported {len(checked.manifest.rows)} images into '{IMPORTED}'.")
    if Path(params.data.root) != IMPORTED:
        with modify_yaml(PARAMS_FILE) as content:
            content["data"]["root"] = str(IMPORTED)
        print(f"params.yaml: data.root was '{params.data.root}', is now '{IMPORTED}'.")


def ingest(params: Params) -> None:
    """Check the data set; write its manifest, test labels and content statistics."""
    try_output(INGEST, folder=True)
    root = data_root(params)
    digest = data_digest(root)
    checked = check_folder(root, size=params.data.size, near_duplicate=params.data.near_duplicate)
    manifest = checked.manifest
    splits = manifest.rows["split"].value_counts()
    labels = checked.labels
    with whole_folder(INGEST) as folder:
        manifest.save(folder / "manifest.csv")
        content, descriptors = _content(root, manifest)
        content.save(folder / "content.npz")
        descriptors.save(folder / "descriptors.npz")
        no_labels = pd.DataFrame(columns=["id", "path", "generator"])
        (no_labels if labels is None else labels).to_csv(folder / "labels.csv", index=False)
        checked.near_duplicates.to_csv(folder / "near_duplicates.csv", index=False)
        checked.content.to_csv(folder / "content.csv", index=False)
        summary = {
            "data_digest": digest,
            "development_images": int(splits[DEVELOPMENT]),
            "test_images": int(splits[TEST]),
            "generators": sorted(manifest.rows["generator"].dropna().unique().tolist()),
            "test_labelled": labels is not None,
            "near_duplicates": len(checked.near_duplicates),
        }
        write_json(folder / "summary.json", summary)
    print(checked.content.to_string(index=False))
    print(f"Near-duplicate pairs: {len(checked.near_duplicates)} (see near_duplicates.csv)")


def _content(root: Path, manifest: Manifest) -> tuple[Embeddings, Embeddings]:
    """The content-only baseline's embeddings, and what the model sees of content."""
    rows = manifest.rows.drop_duplicates("id").sort_values("id")
    small, described = [], []
    for images in stream_images(root, rows, batch=BATCH):
        small.append(thumbnails(images))
        described.append(content_descriptors(images))
    ids = rows["id"].to_numpy(dtype=str)
    return Embeddings(ids, np.concatenate(small)), Embeddings(ids, np.concatenate(described))
