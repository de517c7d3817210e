"""The first layers of the six networks as simulated generators taught them: `weights: simulated`.

They stand in for ImageNet's weights where those cannot be had, for the recipe `fingerprint` alone:
what they know is residuals. `ganamis pretrain` makes them, see `pretraining.py`.
"""

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ganamis.errors import UserError
from ganamis.files import whole_file

if TYPE_CHECKING:
    import keras

SIMULATED = "simulated"
SHIPPED = "first_layers"  # beside this file
CARD_FILE = "card.json"


def pretrained_folder() -> Path:
    """Where the networks lie that come with the package."""
    return Path(str(resources.files("ganamis.extractors").joinpath(SHIPPED)))


def pretrained_file(name: str) -> Path:
    """The weights of one network, if there are any."""
    return pretrained_folder() / f"{name}.npz"


def available() -> list[str]:
    """The networks of which there are weights."""
    return sorted(path.stem for path in pretrained_folder().glob("*.npz"))


def keep(path: Path, layers: "keras.Model", *, depth: int) -> None:
    """Write the weights of a network's layers up to stride `depth`.

    Kernels are halved in precision; what is one number per channel, such as a variance, might
    not be within half precision's range, and is small.
    """
    arrays = {}
    for row, variable in enumerate(layers.weights):
        array = np.asarray(variable, dtype=np.float32)
        arrays[f"{row:03d}"] = array.astype(np.float16) if array.ndim > 1 else array
    with whole_file(path) as temporary:
        np.savez_compressed(temporary, depth=depth, **arrays)  # type: ignore[arg-type]


def read_pretrained(name: str, *, deepest: int) -> tuple[int, list[np.ndarray]]:
    """The stride up to which the package has weights of a network's layers, and those weights.

    Args:
        deepest: stride at which it will be read.

    Raises:
        UserError: there are none, or not up to that stride.
    """
    path = pretrained_file(name)
    if not path.exists():
        raise UserError(
            f"{name} has no simulated weights, only {', '.join(available()) or 'none'}; set its "
            "weights to none or a file"
        )
    with np.load(path, allow_pickle=False) as stored:
        depth = int(stored["depth"])
        arrays = [stored[key].astype(np.float32) for key in sorted(stored.files) if key != "depth"]
    if deepest > depth:
        raise UserError(
            f"{name} has simulated weights up to stride {depth}, not {deepest}; change its "
            "depths, or set its weights to none or a file"
        )
    return depth, arrays
