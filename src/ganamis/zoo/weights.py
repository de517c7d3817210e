"""Weights on disk: plain float16 arrays in an `.npz`, nothing pickled, written atomically."""

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ganamis.files import whole_file

if TYPE_CHECKING:
    import keras


def save_arrays(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Write an `.npz` beside its place, then rename it there."""
    with whole_file(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def save_weights(path: Path, network: "keras.Model") -> None:
    """Write a built network's weights as float16, in the order of `network.get_weights()`."""
    arrays = network.get_weights()
    save_arrays(path, {f"{i:03d}": array.astype(np.float16) for i, array in enumerate(arrays)})


def load_weights(path: Path, network: "keras.Model") -> None:
    """Fill a built network from `save_weights`.

    Raises:
        ValueError: The file holds other shapes than the network.
    """
    with np.load(path, allow_pickle=False) as file:
        arrays = [file[key].astype(np.float32) for key in sorted(file.files)]
    expected = [tuple(weight.shape) for weight in network.weights]
    if [array.shape for array in arrays] != expected:
        raise ValueError(
            f"{path.name} does not fit its network: the file was made by another version; "
            "train the generator again with `ganamis train-zoo`"
        )
    network.set_weights(arrays)


def shipped(name: str) -> Path:
    """Path of a generator's shipped weights."""
    return Path(str(resources.files("ganamis.zoo"))) / "weights" / f"{name}.npz"
