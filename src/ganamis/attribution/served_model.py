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
from ganamis.data.images import ImageError, decode_gray
from ganamis.extractors.loading import load_extractor

OUTPUT = ("cluster", "generator", "score", "unknown", "error")


class ServedModel(PythonModel):
    """Attributes encoded images, each on its own."""

    def load_context(self, context: Any) -> None:
        """Load the extractor and the assignment rule from the model's artifacts."""
        self._extractor = load_extractor(Path(context.artifacts["extractor"]))
        self._assignment = Assignment.load(Path(context.artifacts["assignment"]))
        self._size = int(context.model_config["size"])

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Attribute the column `image` of encoded PNG bytes, row by row.

        Returns:
            Columns `cluster`, `generator`, `score`, `unknown` and `error`; a row whose image
            cannot be used has cluster -1, score 0 and the reason in `error`.
        """
        rows = len(model_input)
        result = pd.DataFrame(
            {
                "cluster": np.full(rows, -1),
                "generator": ["unknown"] * rows,
                "score": np.zeros(rows),
                "unknown": [True] * rows,
                "error": [""] * rows,
            }
        )
        usable, images = [], []
        for row, encoded in enumerate(model_input["image"]):
            try:
                images.append(decode_gray(bytes(encoded), size=self._size)[0])
                usable.append(row)
            except ImageError as error:
                result.loc[row, "error"] = str(error)
        if images:
            found = self._assignment.assign(self._extractor.embed(np.stack(images)))
            for column in found.columns:
                result.loc[usable, column] = found[column].to_numpy()
        return result[list(OUTPUT)]


set_model(ServedModel())
