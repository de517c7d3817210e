"""The registered model (model from code): encoded images in, their attribution out.

MLflow runs this file to build the model; the artifact `model` holds all that was learned, and
nothing is pickled. Images are answered each on its own, or together as one folder.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

from ganamis.clustering.open_world import small_matrices
from ganamis.contracts import UNASSIGNED, Embedded
from ganamis.data.images import ImageError
from ganamis.data.raster import decode_encoded
from ganamis.errors import UserError
from ganamis.model.answer import UNKNOWN
from ganamis.model.storage import load_model

OUTPUT = ("cluster", "generator", "known", "score", "error")
BATCH = 64  # decoded images in memory at once


class ServedModel(PythonModel):
    """Attributes encoded images. model: which answers, once it is loaded."""

    def load_context(self, context: Any) -> None:
        """Load the model from the version's artifact."""
        self.model = load_model(Path(context.artifacts["model"]))
        self._largest = int(context.model_config["largest_file"])

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Attribute the column `image` of encoded PNG or JPEG bytes.

        Args:
            params: `together`, whether the images are one folder, to be clustered (else each is
                answered alone); `clusters`, how many generators made it, 0 to find out.

        Returns:
            Columns `cluster`, `generator`, `known`, `score` and `error`, row by row; a row whose
            image cannot be used has cluster -1, score 0 and the reason in `error`. `cluster` is,
            together, the generator found, larger ones first; alone, the known generator's place
            in the catalogue.
        """
        chosen = params or {}
        encoded = model_input["image"].tolist()
        with small_matrices():
            rows, embedded, errors = self._embed(encoded, one_size=bool(chosen.get("together")))
        result = pd.DataFrame(
            {
                "cluster": np.full(len(encoded), UNASSIGNED),
                "generator": np.full(len(encoded), UNKNOWN, dtype=object),
                "known": np.full(len(encoded), False),
                "score": np.zeros(len(encoded)),
                "error": np.array(errors, dtype=object),
            }
        )
        if embedded is not None:
            answer = self._together if chosen.get("together") else self._alone
            try:
                columns = answer(embedded, int(chosen.get("clusters") or 0))
            except UserError as error:
                result.loc[rows, "error"] = str(error)
            else:
                for name, values in columns.items():
                    result.loc[rows, name] = values
        return result[list(OUTPUT)]

    def _together(self, embedded: Embedded, clusters: int) -> dict[str, np.ndarray]:
        found = self.model.together(embedded, clusters=clusters or None)
        return {
            "cluster": found.labels,
            "generator": found.names,
            "known": found.known,
            "score": found.scores,
        }

    def _alone(self, embedded: Embedded, clusters: int) -> dict[str, np.ndarray]:
        found = self.model.alone(embedded)
        place = {name: index for index, name in enumerate(self.model.known)}
        pairs = zip(found.names.tolist(), found.known.tolist(), strict=True)
        return {
            "cluster": np.array([place[name] if known else UNASSIGNED for name, known in pairs]),
            "generator": found.names,
            "known": found.known,
            "score": found.scores,
        }

    def _embed(
        self, encoded: list[Any], *, one_size: bool
    ) -> tuple[list[int], Embedded | None, list[str]]:
        """The rows that hold usable images, their embeddings, and what is wrong with each row."""
        errors = [""] * len(encoded)
        parts: list[tuple[list[int], tuple[int, ...], Embedded]] = []
        for start in range(0, len(encoded), BATCH):
            sizes: dict[tuple[int, ...], list[tuple[int, np.ndarray]]] = {}
            for row, content in enumerate(encoded[start : start + BATCH], start=start):
                try:
                    pixels = self._decode(content)
                except ImageError as error:
                    errors[row] = str(error)
                else:
                    sizes.setdefault(pixels.shape, []).append((row, pixels))
            for shape, images in sizes.items():
                embedded = self.model.embed(np.stack([pixels for _, pixels in images]))
                parts.append(([row for row, _ in images], shape, embedded))
        if one_size and parts:
            parts = _of_one_size(parts, errors)
        if not parts:
            return [], None, errors
        rows = [row for part, _, _ in parts for row in part]
        return rows, Embedded.concatenate([embedded for _, _, embedded in parts]), errors

    def _decode(self, content: Any) -> np.ndarray:
        """Pixels `[H, W]` uint8 of one cell."""
        if not isinstance(content, bytes | bytearray | memoryview):
            kind = type(content).__name__
            raise ImageError(f"is {kind}, not bytes; give the content of a PNG or JPEG file")
        return decode_encoded(bytes(content), largest=self._largest)


Part = tuple[list[int], tuple[int, ...], Embedded]


def _of_one_size(parts: list[Part], errors: list[str]) -> list[Part]:
    """The images of the commonest size; the others are refused, row by row."""
    counts = Counter[tuple[int, ...]]()
    for rows, shape, _ in parts:
        counts[shape] += len(rows)
    (height, width), _ = counts.most_common(1)[0]
    for rows, shape, _ in parts:
        for row in rows if shape != (height, width) else ():
            errors[row] = (
                f"has {shape[1]}x{shape[0]} pixels; images attributed together have one size, and "
                f"most have {width}x{height}"
            )
    return [part for part in parts if part[1] == (height, width)]


set_model(ServedModel())
