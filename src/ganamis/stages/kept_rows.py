"""What an interrupted benchmark had finished: it is not done again."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ganamis.files import resuming, whole_lines

Row = dict[str, Any]


class KeptRows:
    """Rows of finished parts, in a file beside the output that they are for.

    Another run with the same settings goes on from it; one with others begins anew.
    """

    def __init__(self, out: Path, settings: Mapping[str, Any]) -> None:
        """Read what is there.

        Raises:
            UserError: it is damaged.
        """
        self.path = out.with_name(f".{out.name}.parts.jsonl")
        self._rows: dict[str, list[Row]] = {}
        head = json.dumps(settings, sort_keys=True)
        with resuming(whole_lines(self.path), what="the benchmark"):
            text = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
            first, *parts = text.splitlines() or [""]
            if first == head:
                for part in parts:
                    self._rows |= json.loads(part)
                return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(f"{head}\n", encoding="utf-8")

    def __len__(self) -> int:
        """Parts that were there."""
        return len(self._rows)

    def of(self, part: str) -> list[Row] | None:
        """The rows of a part, or None where it is yet to be done."""
        return self._rows.get(part)

    def keep(self, part: str, rows: Sequence[Row]) -> None:
        """Keep the rows of a part; values are what JSON knows."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({part: list(rows)}) + "\n")

    def discard(self) -> None:
        """All is done."""
        self.path.unlink(missing_ok=True)
