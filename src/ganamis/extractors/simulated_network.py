"""The fingerprint learned from simulated generators: a small network on high-pass residuals.

It ships with the package and is read without TensorFlow: OpenVINO runs the convolutions.
"""

import threading
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ganamis.data.prefetch import CORES
from ganamis.errors import UserError
from ganamis.extractors.exported import openvino_runtime
from ganamis.extractors.phases import phased_starts
from ganamis.extractors.residual_network import HIGH_PASS
from ganamis.files import read_json, whole_file, write_json

SOFT = 4.0  # gray levels: a residual r becomes r / (|r| + 4), so that edges weigh little
LEAK = 0.2  # slope of the rectifiers below zero
LOG_FLOOR = 1e-4  # added to variances before their logarithm
MARGIN = 4  # pixels of a cell beyond its share: its first activation sees 20 of them
BATCH = 8  # images embedded at once
SHIPPED = "weights"  # beside this file; `ganamis train-simulated` makes it
WEIGHTS_FILE, SHAPE_FILE = "simulated.npz", "simulated.json"


@dataclass(frozen=True)
class Shape:
    """Of the convolutions after the fixed filters, and the windows along each side."""

    channels: tuple[int, ...]
    sizes: tuple[int, ...]
    strides: tuple[int, ...]
    grid: int


def window_statistics(means: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """Mean and log deviation over half-overlapping windows of 2x2 cells.

    Args:
        means, squares: `[N, g + 1, g + 1, C]`, of activations and of their squares in each cell.

    Returns:
        `[N, g**2, 2 C]` float32.
    """
    mean, square = (_of_windows(each.astype(np.float64)) for each in (means, squares))
    spread = np.maximum(square - mean**2, 0)
    both = np.concatenate([mean, 0.5 * np.log(spread + LOG_FLOOR)], axis=3)
    return both.reshape(len(both), -1, both.shape[3]).astype(np.float32)


def _of_windows(cells: np.ndarray) -> np.ndarray:
    """Means of 2x2 neighbouring cells. `[N, g + 1, g + 1, C]` -> `[N, g, g, C]`."""
    window = (cells[:, 1:] + cells[:, :-1]) / 2
    return np.asarray((window[:, :, 1:] + window[:, :, :-1]) / 2)


@dataclass(frozen=True)
class SimulatedNetwork:
    """A trained network. arrays: kernels `[k, k, in, out]` and biases `[out]` in turn."""

    shape: Shape
    arrays: tuple[np.ndarray, ...]
    threads: int = 1

    smallest: ClassVar[int] = 64  # pixels along each side of an image

    @property
    def views(self) -> int:
        """Windows per image."""
        return self.shape.grid**2

    def embed(self, images: np.ndarray) -> np.ndarray:
        """Features `[N, views * 2 * channels]` float32 of `[N, H, W]` uint8 images.

        Raises:
            UserError: the images are too small.
        """
        if min(images.shape[1:]) < self.smallest:
            raise UserError(
                f"the simulated network needs images of at least {self.smallest}x{self.smallest} "
                f"pixels, got {images.shape[2]}x{images.shape[1]}; leave the smaller ones out"
            )
        parts = [self._batch(images[i : i + BATCH]) for i in range(0, len(images), BATCH)]
        return np.concatenate(parts).reshape(len(images), -1)

    def _batch(self, images: np.ndarray) -> np.ndarray:
        """Features `[N, views, 2 * channels]`; every cell of an image is seen on its own."""
        cells = self.shape.grid + 1
        extents = [side // cells + MARGIN for side in images.shape[1:]]
        rows, columns = (
            phased_starts(side, cells, extent=extent)
            for side, extent in zip(images.shape[1:], extents, strict=True)
        )
        cut = [images[:, y : y + extents[0], x : x + extents[1]] for y in rows for x in columns]
        seen = self.activations(np.stack(cut, axis=1).reshape(-1, *extents))
        means, squares = (
            each.mean(axis=(2, 3)).reshape(len(images), cells, cells, -1)
            for each in (seen, seen**2)
        )
        return window_statistics(means, squares)

    def activations(self, images: np.ndarray) -> np.ndarray:
        """Last activations `[N, C, h, w]` float32 of `[N, H, W]` uint8."""
        pixels = np.ascontiguousarray(images[:, None]).astype(np.float32)
        if not hasattr(self._own, "request"):
            self._own.request = self._compiled.create_infer_request()
        return np.array(self._own.request.infer([pixels])[0])

    @cached_property
    def _own(self) -> threading.local:
        """What each thread has of its own: a request is one thread's at a time."""
        return threading.local()

    @cached_property
    def _compiled(self) -> Any:
        openvino = openvino_runtime()
        ops = openvino.opset13

        def convolution(x: Any, kernel: np.ndarray, stride: int) -> Any:
            weights = ops.constant(np.ascontiguousarray(kernel.transpose(3, 2, 0, 1), np.float32))
            return ops.convolution(x, weights, [stride] * 2, [0, 0], [0, 0], [1, 1])

        pixels = ops.parameter([-1, 1, -1, -1], np.float32)
        x = convolution(pixels, HIGH_PASS, 1)
        x = ops.divide(x, ops.add(ops.abs(x), ops.constant(np.float32(SOFT))))
        for place, stride in enumerate(self.shape.strides):
            kernel, bias = self.arrays[2 * place : 2 * place + 2]
            x = convolution(x, kernel, stride)
            x = ops.add(x, ops.constant(bias.astype(np.float32).reshape(1, -1, 1, 1)))
            x = ops.prelu(x, ops.constant(np.array([LEAK], np.float32)))
        config = {
            "NUM_STREAMS": CORES,  # so many requests at once, each by `threads`
            "INFERENCE_NUM_THREADS": CORES * self.threads,
            "INFERENCE_PRECISION_HINT": "f32",
            "ENABLE_CPU_PINNING": False,  # a core may be another process's as well
        }
        return openvino.Core().compile_model(openvino.Model([x], [pixels]), "CPU", config)

    def save(self, folder: Path) -> None:
        with whole_file(folder / WEIGHTS_FILE) as temporary:
            np.savez(temporary, *(array.astype(np.float16) for array in self.arrays))
        write_json(folder / SHAPE_FILE, {**asdict(self.shape), "threads": self.threads})

    @classmethod
    def load(cls, folder: Path) -> "SimulatedNetwork":
        stored = read_json(folder / SHAPE_FILE, stage="train-simulated")
        threads = stored.pop("threads")
        lists = {key: tuple(value) for key, value in stored.items() if key != "grid"}
        with np.load(folder / WEIGHTS_FILE, allow_pickle=False) as arrays:
            kept = tuple(arrays[name].astype(np.float32) for name in arrays.files)
        return cls(Shape(**lists, grid=stored["grid"]), kept, threads)


def shipped_folder() -> Path:
    """Where the extractor lies that comes with the package."""
    return Path(str(resources.files("ganamis.extractors").joinpath(SHIPPED)))
