"""How many generative models made these medical images, and which image came from which.

`load` a model and `attribute` images; see docs/python.md. Imports are left to first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ganamis.api import attribute, load
    from ganamis.errors import UserError
    from ganamis.model.answer import Attribution
    from ganamis.model.fingerprint import FingerprintModel

__all__ = ["Attribution", "FingerprintModel", "UserError", "attribute", "load"]
_HOMES = {
    "attribute": "ganamis.api",
    "load": "ganamis.api",
    "UserError": "ganamis.errors",
    "Attribution": "ganamis.model.answer",
    "FingerprintModel": "ganamis.model.fingerprint",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("ganamis")
    if name not in _HOMES:
        raise AttributeError(f"module 'ganamis' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)
