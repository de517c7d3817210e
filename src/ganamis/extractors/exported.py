"""A network as OpenVINO runs it: written by Keras' own export, opened without TensorFlow.

Its speed beside Keras' `predict` on the same layers: benchmarks/embedding_speed.py, docs/paper.md.
"""

import os
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ganamis.files import whole_file

if TYPE_CHECKING:
    import keras

GRAPH_FILE, WEIGHTS_FILE = "network.xml", "network.bin"
# Bfloat16, which OpenVINO takes by itself where a processor has it, moves the third digit.
PRECISION = {"INFERENCE_PRECISION_HINT": "f32"}


def openvino_runtime() -> Any:
    """OpenVINO without its telemetry, which would report every import to its maker."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


@dataclass(frozen=True)
class ExportedNetwork:
    """A network that runs batches of one size.

    graph, weights: the two files of OpenVINO's format. batch: rows computed at once; the last ones
    are filled up, so that a row's result does not depend on the rows beside it.
    """

    graph: bytes = field(repr=False)
    weights: bytes = field(repr=False)
    batch: int
    _compiled: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        core = openvino_runtime().Core()
        model = core.read_model(model=self.graph, weights=self.weights)
        (pixels,) = model.inputs
        model.reshape([self.batch, *list(pixels.partial_shape)[1:]])
        threads = {"INFERENCE_NUM_THREADS": int(os.environ.get("OMP_NUM_THREADS", "0"))}
        object.__setattr__(self, "_compiled", core.compile_model(model, "CPU", PRECISION | threads))

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """`[N, D]` float32 of `[N, h, w, C]` float32."""
        results = []
        for start in range(0, len(pixels), self.batch):
            rows = np.ascontiguousarray(pixels[start : start + self.batch], dtype=np.float32)
            filled = np.zeros((self.batch, *rows.shape[1:]), dtype=np.float32)
            filled[: len(rows)] = rows
            results.append(np.array(self._compiled(filled)[0])[: len(rows)])
        return np.concatenate(results)

    def save(self, folder: Path) -> None:
        """Write the two files into `folder`."""
        for name, content in ((GRAPH_FILE, self.graph), (WEIGHTS_FILE, self.weights)):
            with whole_file(folder / name) as temporary:
                temporary.write_bytes(content)

    @classmethod
    def load(cls, folder: Path, *, batch: int) -> "ExportedNetwork":
        """Read what `save` wrote."""
        graph, weights = ((folder / name).read_bytes() for name in (GRAPH_FILE, WEIGHTS_FILE))
        return cls(graph, weights, batch)


def export(model: "keras.Model", *, batch: int) -> ExportedNetwork:
    """The forward pass of a Keras model with one input and one output `[N, D]`, in float32."""
    openvino_runtime()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / GRAPH_FILE
        model.export(str(path), format="openvino", verbose=False)
        return ExportedNetwork.load(path.parent, batch=batch)
