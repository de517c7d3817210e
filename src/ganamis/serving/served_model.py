"""The registered model (model from code): an encoded image in, its attribution out.

MLflow runs this file to build the model; the artifacts `extractor` and `assignment` hold all that
was learned, and nothing is pickled.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

from ganamis.attribution.assignment import Assignment
from ganamis.contracts import UNASSIGNED
from ganamis.data.images import ImageError, decode_png_or_jpeg
from ganamis.extractors.loading import load_extractor

OUTPUT = ("cluster", "generator", "score", "unknown", "error")
BATCH = 64  # decoded images in memory at once


class ServedModel(PythonModel):
    """Attributes encoded images, each on its own."""

    def load_context(self, context: Any) -> None:
        """Load the extractor and the assignment rule from the model's artifacts."""
        self._extractor = load_extractor(Path(context.artifacts["extractor"]))
        self._assignment = Assignment.load(Path(context.artifacts["assignment"]))
        self._size = int(context.model_config["size"])
        self._largest = int(context.model_config["largest_file"])

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Attribute the column `image` of encoded PNG or JPEG bytes, row by row.

        Returns:
            Columns `cluster`, `generator`, `score`, `unknown` and `error`; a row whose image
            cannot be used has cluster -1, score 0 and the reason in `error`.
        """
        encoded = model_input["image"].tolist()
        starts = range(0, len(encoded), BATCH)
        tables = [self._attribute(encoded[start : start + BATCH]) for start in starts]
        return pd.concat(tables or [self._attribute([])], ignore_index=True)

    def _attribute(self, encoded: list[Any]) -> pd.DataFrame:
        usable: list[int] = []
        images, errors = [], [""] * len(encoded)
        for row, content in enumerate(encoded):
            try:
                images.append(self._decode(content))
                usable.append(row)
            except ImageError as error:
                errors[row] = str(error)
        result = pd.DataFrame(
            {
                "cluster": np.full(len(encoded), UNASSIGNED),
                "generator": np.full(len(encoded), "unknown", dtype=object),
                "score": np.zeros(len(encoded)),
                "unknown": np.full(len(encoded), True),
                "error": np.array(errors, dtype=object),
            }
        )
        if images:
            found = self._assignment.assign(self._extractor.embed(np.stack(images)))
            for column in found.columns:
                result.loc[usable, column] = found[column].to_numpy()
        return result[list(OUTPUT)]

    def _decode(self, content: Any) -> np.ndarray:
        """Pixels `[size, size]` uint8 of one cell."""
        if not isinstance(content, bytes | bytearray | memoryview):
            kind = type(content).__name__
            raise ImageError(f"is {kind}, not bytes; give the content of a PNG or JPEG file")
        return decode_png_or_jpeg(bytes(content), size=self._size, largest=self._largest)[0]


set_model(ServedModel())
