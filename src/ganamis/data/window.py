"""From more than 256 gray levels to 8 bits, by a window that somebody chose."""

import re
from dataclasses import dataclass

import numpy as np

from ganamis.errors import UserError

NAMED = {"lung": (-600.0, 1500.0), "soft-tissue": (40.0, 400.0)}  # Hounsfield units
CHOICES = "--window lung, --window soft-tissue or --window LEVEL,WIDTH"


@dataclass(frozen=True)
class Window:
    """Gray levels `level - width / 2` to `level + width / 2` become 0 to 255.

    name: as it was given, and as it is recorded. hounsfield: whether it speaks of Hounsfield units
    only.
    """

    name: str
    level: float
    width: float
    hounsfield: bool = False

    def apply(self, values: np.ndarray) -> np.ndarray:
        """`[H, W]` uint8 of `[H, W]` values: DICOM PS3.3, C.11.2.1.3.2 (linear exact), rounded.

        What is not a number counts as the lowest value.
        """
        lowest = self.level - self.width / 2
        scaled = (np.asarray(values, dtype=np.float64) - lowest) * 255 / self.width
        scaled = np.nan_to_num(scaled, copy=False, nan=0.0)
        return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def parse_window(text: str) -> Window:
    """A window from `lung`, `soft-tissue` or `LEVEL,WIDTH`.

    Raises:
        UserError: it is none of them.
    """
    if text in NAMED:
        level, width = NAMED[text]
        return Window(text, level, width, hounsfield=True)
    number = r"([+-]?\d{1,9}(?:\.\d{1,9})?)"
    found = re.fullmatch(rf"{number},{number}", text)
    if not found or float(found[2]) <= 0:
        raise UserError(
            f"--window is '{text}'; expected lung, soft-tissue, or LEVEL,WIDTH such as -600,1500"
        )
    return Window(text, float(found[1]), float(found[2]))
