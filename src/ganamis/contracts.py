"""What crosses a stage: frozen, checked when built, with `save` and `load` beside it.

Letters used in every shape: N images, H x W pixels, D embedding dimensions, K clusters,
G generators. Rows are joined by image id and never by position.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ganamis.errors import UserError
from ganamis.files import whole_file

if TYPE_CHECKING:
    import pandas as pd

DEVELOPMENT, TEST = "development", "test"
UNASSIGNED = -1
CLEAN = "clean"  # the condition of an image as it came
MANIFEST_COLUMNS = ("id", "path", "width", "height", "mode", "split", "generator")


@dataclass(frozen=True)
class Manifest:
    """The images of a data set, one row per file.

    rows: columns `id` (sha256 of the decoded pixels, 64 hexadecimal digits), `path` (relative,
    with forward slashes), `width`, `height` (pixels), `mode` (Pillow's, before conversion),
    `split` (development or test) and `generator` (null in the test split).
    """

    rows: "pd.DataFrame"

    def __post_init__(self) -> None:
        missing = set(MANIFEST_COLUMNS) - set(self.rows.columns)
        if missing:
            raise ValueError(f"manifest: missing columns {sorted(missing)}")
        if not self.rows["path"].is_unique:
            raise ValueError("manifest: a path occurs twice; one row is one file")
        if self.rows.loc[self.rows["split"] == TEST, "generator"].notna().any():
            raise ValueError("manifest: a test row names a generator; labels live apart from it")

    def split(self, name: str) -> "pd.DataFrame":
        """Rows of one split, ordered by id and path, so that file order never matters."""
        rows = self.rows[self.rows["split"] == name]
        return rows.sort_values(["id", "path"]).reset_index(drop=True)

    def save(self, path: Path) -> None:
        with whole_file(path) as temporary:
            self.rows.to_csv(temporary, index=False)

    @classmethod
    def load(cls, path: Path) -> "Manifest":
        import pandas as pd

        rows = pd.read_csv(path, dtype=str, keep_default_na=False)
        rows["generator"] = rows["generator"].mask(rows["generator"] == "")
        return cls(rows.astype({"width": int, "height": int}))


@dataclass(frozen=True)
class Embeddings:
    """One row of features per image id.

    ids: `[N]` str, unique. features: `[N, V * D]` float32, finite: the D features of V views of
    an image, one view after the other.
    """

    ids: np.ndarray
    features: np.ndarray
    views: int = 1

    def __post_init__(self) -> None:
        if self.features.ndim != 2 or len(self.ids) != len(self.features):
            raise ValueError(
                f"embeddings: {len(self.ids)} ids for features of shape {self.features.shape}; "
                "expected [N] and [N, D]"
            )
        if len(np.unique(self.ids)) != len(self.ids):
            raise ValueError("embeddings: an image id occurs twice")
        if self.features.shape[1] % self.views:
            raise ValueError(
                f"embeddings: {self.features.shape[1]} features are not {self.views} views' worth"
            )
        if not np.isfinite(self.features).all():
            bad = self.ids[~np.isfinite(self.features).all(axis=1)]
            raise ValueError(f"embeddings: not finite for image ids {bad.tolist()}")

    def select(self, ids: np.ndarray) -> np.ndarray:
        """Features `[len(ids), V * D]` of the given ids, in their order; one may be asked twice.

        Raises:
            KeyError: ids that have no embedding, all of them named.
        """
        import pandas as pd

        position = pd.Index(self.ids).get_indexer(pd.Index(ids))
        if (position < 0).any():
            unknown = np.asarray(ids)[position < 0].tolist()
            raise KeyError(f"no embedding for image ids {unknown}; run `ganamis train` again")
        return self.features[position]

    def save(self, path: Path) -> None:
        with whole_file(path) as temporary:
            np.savez(
                temporary, ids=self.ids.astype("U64"), features=self.features, views=self.views
            )

    @classmethod
    def load(cls, path: Path) -> "Embeddings":
        with np.load(path, allow_pickle=False) as stored:
            return cls(stored["ids"], stored["features"], int(stored["views"]))


def view_means(features: np.ndarray, views: int) -> np.ndarray:
    """Average `[N, V * D]` features over the V views: `[N, D]`."""
    return features.reshape(len(features), views, -1).mean(axis=1)


class Extractor(Protocol):
    """Turns images into embeddings of one or more views each."""

    @property
    def views(self) -> int:
        """V, the views of an image whose features `embed` puts one after the other."""
        ...

    def embed(self, images: np.ndarray) -> np.ndarray:
        """Embed `[N, H, W]` uint8 as `[N, V * D]` float32."""
        ...

    def save(self, folder: Path) -> None:
        """Write everything needed to embed again into `folder`."""
        ...


@dataclass(frozen=True, eq=False)
class Embedded:
    """Images as the model sees them: fingerprints and, apart from them, content.

    ids: `[N]` str, digests of the pixels; one image may stand there twice. features: `[N, V * P]`
    float32, P principal components of V views, one view after the other. content: `[N, C]`
    float32 (`data.content.content_descriptors`).
    """

    ids: np.ndarray
    features: np.ndarray
    content: np.ndarray
    views: int

    def __post_init__(self) -> None:
        if not len(self.ids) == len(self.features) == len(self.content):
            raise ValueError(
                f"embedded: {len(self.ids)} ids, {len(self.features)} features and "
                f"{len(self.content)} descriptors of content"
            )

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def by_view(self) -> np.ndarray:
        """The features as `[N, V, P]`."""
        return self.features.reshape(len(self.ids), self.views, -1)

    @property
    def means(self) -> np.ndarray:
        """The features averaged over views, `[N, P]`."""
        return view_means(self.features, self.views)

    def rows(self, chosen: np.ndarray) -> "Embedded":
        """The images that `chosen`, `[N]` bool or row numbers, takes."""
        return Embedded(self.ids[chosen], self.features[chosen], self.content[chosen], self.views)

    @classmethod
    def concatenate(cls, parts: Sequence["Embedded"]) -> "Embedded":
        """The images of all parts, in their order; at least one part."""
        return cls(
            np.concatenate([part.ids for part in parts]),
            np.concatenate([part.features for part in parts]),
            np.concatenate([part.content for part in parts]),
            parts[0].views,
        )


@dataclass(frozen=True, eq=False)
class Reference:
    """Development images that teach what varies inside one generator.

    features: `[M, V * D]`. generators: `[M]` str. copies: name of a degradation to the features
    `[M, D]` of the degraded images, averaged over views. views: V.
    """

    features: np.ndarray
    generators: np.ndarray
    copies: Mapping[str, np.ndarray] = field(default_factory=dict)
    views: int = 1

    def rows(self, chosen: np.ndarray) -> "Reference":
        """The images that `chosen` `[M]` bool takes."""
        copies = {name: features[chosen] for name, features in self.copies.items()}
        return Reference(self.features[chosen], self.generators[chosen], copies, self.views)

    @property
    def conditions(self) -> dict[str, np.ndarray]:
        """Features `[M, D]` averaged over views, under every condition, the clean one first."""
        return {CLEAN: view_means(self.features, self.views), **self.copies}


@dataclass(frozen=True)
class Fold:
    """What an extractor that never saw one generator makes of the N development images.

    embeddings: of all N images. generators: `[N]` str, in the order of the embeddings.
    reference: `[N]` bool, the images it was fitted on. query: `[N]` bool, the images to cluster.
    copies: name of a degradation to `[R, D]` features, averaged over views, of the R reference
    images so degraded.
    """

    held_out: str
    embeddings: Embeddings
    generators: np.ndarray
    reference: np.ndarray
    query: np.ndarray
    copies: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.reference & self.query).any():
            raise ValueError("fold: an image is both fitted on and clustered")
        if (self.generators[self.reference] == self.held_out).any():
            raise ValueError(f"fold: '{self.held_out}' is held out, yet it was fitted on")
        for name, features in self.copies.items():
            if len(features) != self.reference.sum():
                raise ValueError(
                    f"fold: {len(features)} copies by '{name}' of {self.reference.sum()} reference "
                    "images"
                )

    def save(self, folder: Path) -> None:
        """Write into `folder`, whose name is the held-out generator's."""
        self.embeddings.save(folder / "embeddings.npz")
        with whole_file(folder / "fold.npz") as temporary:
            np.savez(
                temporary,
                generators=self.generators.astype(str),
                reference=self.reference,
                query=self.query,
            )
        with whole_file(folder / "copies.npz") as temporary:
            np.savez(temporary, allow_pickle=False, **dict(self.copies))

    @classmethod
    def load(cls, folder: Path) -> "Fold":
        """Read what `save` wrote."""
        with np.load(folder / "copies.npz", allow_pickle=False) as stored:
            copies = dict(stored)
        with np.load(folder / "fold.npz", allow_pickle=False) as stored:
            return cls(
                held_out=folder.name,
                embeddings=Embeddings.load(folder / "embeddings.npz"),
                generators=stored["generators"],
                reference=stored["reference"],
                query=stored["query"],
                copies=copies,
            )

    @property
    def taught(self) -> "Reference":
        """What the reference images teach a clusterer."""
        chosen = self.reference
        return Reference(
            self.embeddings.features[chosen],
            self.generators[chosen],
            self.copies,
            self.embeddings.views,
        )


@dataclass(frozen=True)
class Scorecard:
    """How well a clustering agrees with the generators' labels (no unit; 1 is perfect)."""

    images: int
    ari: float
    ari_low: float
    ari_high: float
    p_value: float
    nmi: float
    homogeneity: float
    completeness: float
    clusters: int
    generators: int
    unassigned: float

    def __post_init__(self) -> None:
        if self.images < 2:
            raise UserError(f"a score needs at least two labelled images, got {self.images}")


@dataclass(frozen=True)
class Version:
    """A registered version: its open-world ARI on development with a 95 % interval, if known.

    data, commit: how the digests of its data and code begin. aliases: those it bears. gate: what
    the gate said of it, in words; empty if it was not asked.
    """

    number: int
    ari: float | None
    low: float | None
    high: float | None
    data: str
    commit: str
    aliases: tuple[str, ...]
    gate: str
