"""`learn` and `forget`: change which generators a model knows, by a folder that it attributed."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console

from ganamis.data.listing import open_folder
from ganamis.data.reading import Reading
from ganamis.errors import UserError
from ganamis.files import try_own_folder, whole_folder
from ganamis.model.catalogue import forget as without
from ganamis.model.catalogue import learn as with_more
from ganamis.model.fingerprint import FingerprintModel
from ganamis.model.storage import MODEL_FILE, save_model
from ganamis.params import Params
from ganamis.registry.choice import Chosen, choose_model

MOST = 200  # images of one generator that are learned from; more cost time and tell little
SEPARATOR = "="


def learn(
    folder: Path,
    params: Params,
    *,
    table: Path,
    names: Sequence[str],
    model: str | None,
    out: Path | None,
    reading: Reading,
) -> None:
    """Teach a model generators that `attribute` found in a folder.

    Args:
        folder: of the images. table: what `attribute` wrote of it.
        names: `unknown-2=clinic A` gives the cluster its name.
        model: as for `attribute`.
        out: folder to write the model into; None registers it as challenger.
        reading: as for `attribute`.

    Raises:
        UserError: names that are not in the table, taken, or malformed; missing images.
    """
    if out is not None:
        try_own_folder(out, mark=MODEL_FILE)
    given = _given(names)
    rows = _rows(table, given)
    chosen = choose_model(model)
    images, generators = _images(folder, rows, given, reading)
    _tell_known(chosen.model, images, generators)
    wider = with_more(chosen.model, images, generators)
    _keep(wider, chosen, params, out=out, change=f"learned {', '.join(given.values())}")


def forget(names: Sequence[str], params: Params, *, model: str | None, out: Path | None) -> None:
    """Take generators out of a model's catalogue; see `learn`."""
    if out is not None:
        try_own_folder(out, mark=MODEL_FILE)
    chosen = choose_model(model)
    narrower = without(chosen.model, names)
    _keep(narrower, chosen, params, out=out, change=f"forgot {', '.join(names)}")


def _given(names: Sequence[str]) -> dict[str, str]:
    """The generator's name for each cluster's; two clusters may be one generator."""
    given: dict[str, str] = {}
    for entry in names:
        cluster, separator, name = entry.partition(SEPARATOR)
        if not (cluster.strip() and separator and name.strip()):
            raise UserError(f"--name is '{entry}'; expected CLUSTER=NAME, as unknown-2=clinic A")
        given[cluster.strip()] = name.strip()
    return given


def _rows(path: Path, given: dict[str, str]) -> pd.DataFrame:
    """The rows of the clusters that get a name."""
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise UserError(f"'{path}' cannot be read as a table ({error})") from error
    if not {"image", "generator"} <= set(table.columns):
        raise UserError(f"'{path}' has no columns image and generator; give what attribute wrote")
    absent = sorted(given.keys() - set(table["generator"]))
    if absent:
        there = ", ".join(sorted(set(table["generator"])))
        raise UserError(f"'{path}' has no cluster {', '.join(absent)}; there are {there}")
    return table[table["generator"].isin(list(given))]


def _images(
    folder: Path, rows: pd.DataFrame, given: dict[str, str], reading: Reading
) -> tuple[np.ndarray, np.ndarray]:
    """The images of the rows, each once, at most `MOST` of a generator, and their generators."""
    name_of = dict(zip(rows["image"], rows["generator"].map(given), strict=True))
    opened = open_folder(folder, reading=reading)
    wanted = {f"test/{image}" if opened.labelled else image for image in name_of}
    items = [item for item in opened.asked if item.path in wanted or item.path in name_of]
    missing = len(name_of) - len(items)
    if missing:
        raise UserError(f"{missing} images of the table are not in '{folder}'; give their folder")
    found = opened.whole(opened.stream(items))
    names = np.array([name_of[p if p in name_of else p.removeprefix("test/")] for p in found.paths])
    kept = np.sort(np.concatenate([np.flatnonzero(names == n)[:MOST] for n in np.unique(names)]))
    return found.images[kept], names[kept]


def _tell_known(model: FingerprintModel, images: np.ndarray, generators: np.ndarray) -> None:
    """Say where a generator to be learned looks like one that is known under another name."""
    for name in np.unique(generators):
        found = model.together(model.embed(images[generators == name]), clusters=1)
        (cluster,) = found.clusters
        if cluster.known:
            print(
                f"'{name}' looks like '{cluster.name}', which the model knows already "
                f"(probability {cluster.score:.0%}): both may be one generator."
            )


def _keep(
    model: FingerprintModel, base: Chosen, params: Params, *, out: Path | None, change: str
) -> None:
    console = Console(markup=False)
    if out is not None:
        with whole_folder(out) as target:
            save_model(model, target)
        console.print(f"Wrote '{out}'; use it by --model {out}.")
    else:
        from ganamis.registry.learned import register_learned

        version = register_learned(
            model, base=base.version, change=change, limits=params.serve.model_dump()
        )
        console.print(
            f"Registered version {version} as challenger ({change}); `ganamis promote --version "
            f"{version}` makes it champion.",
        )
    console.print(f"The model knows {', '.join(model.known) or 'nobody'}.")
