"""A plain folder (or ZIP) of images, at any depth: what is in it, and its pixels in batches.

No labels are needed. Where there are some, `development/<generator>/` teaches, and `test/` (or,
without it, every other image) is what is to be attributed.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ganamis.contracts import DEVELOPMENT
from ganamis.data.formats import decode
from ganamis.data.images import ImageError, pixel_digest
from ganamis.data.layout import refusal
from ganamis.data.prefetch import ahead
from ganamis.data.reading import Format, Frame, Reading, UnsaidError
from ganamis.data.source import Skipped, Source
from ganamis.errors import UserError

BATCH = 32  # images decoded, and embedded, at once
TOLD = 8  # skipped files that a note names


@dataclass(frozen=True)
class Item:
    """One image to be read. path: as shown, unique in the folder. name: of its file.

    frames: of its file that come before it. generator: None where it is to be attributed.
    """

    path: str
    name: str
    format: Format
    frame: int
    generator: str | None


@dataclass(frozen=True)
class Batch:
    """Decoded images.

    ids: `[N]` str, see `pixel_digest`; the same pixels may come twice. paths: as shown, N of them.
    generators: N of them, None where it is asked for. images: `[N, H, W]` uint8.
    """

    ids: np.ndarray
    paths: tuple[str, ...]
    generators: tuple[str | None, ...]
    images: np.ndarray


@dataclass
class ImageFolder:
    """The images of a folder, all of one size. What the notes say grows while it is read.

    size: width and height in pixels. taught: labelled images. asked: those to be attributed.
    skipped: files that are not answered for. coloured: paths of images read as luma. windowed: how
    many were read through the window.
    """

    root: Path
    source: Source
    reading: Reading
    size: tuple[int, int]
    taught: tuple[Item, ...]
    asked: tuple[Item, ...]
    skipped: list[Skipped]
    coloured: list[str] = field(default_factory=list)
    windowed: int = 0
    _known: dict[str, Item] = field(default_factory=dict)

    @property
    def labelled(self) -> bool:
        """Whether the folder teaches; then nothing in it is skipped, but refused."""
        return bool(self.taught)

    def stream(self, items: Sequence[Item], *, batch: int = BATCH) -> Iterator[Batch]:
        """Decode `taught` or `asked` once, in order, `batch` or fewer at once, in constant memory.

        Taught images come first: an image that is both taught and asked for is refused.

        Raises:
            UserError: at the end, of a labelled folder, all its offenders.
        """
        offences: list[str] = []
        ready: list[tuple[Item, Frame]] = []
        for item, frame in self._decoded(items):
            if isinstance(frame, str):
                self._refuse(item.path, frame, offences)
                continue
            if frame.coloured:
                self.coloured.append(item.path)
            self.windowed += frame.windowed
            ready.append((item, frame))
            if len(ready) == batch:
                yield self._batch(ready, offences)
                ready = []
        if ready:
            yield self._batch(ready, offences)
        if offences:
            raise UserError(refusal(self.root, offences))

    @property
    def window(self) -> str:
        """The window through which images were read, in words; empty where none needed one."""
        window = self.reading.window
        if not self.windowed or window is None:
            return ""
        return f"{window.name} (level {window.level:g}, width {window.width:g})"

    def whole(self, batches: Iterable[Batch]) -> Batch:
        """All that `stream` yields as one, ordered by id; of copies the first path is kept."""
        parts = list(batches)
        images = [batch.images for batch in parts] or [np.empty((0, *self.size[::-1]), np.uint8)]
        names = [name for batch in parts for name in batch.generators]
        paths = [path for batch in parts for path in batch.paths]
        found = np.concatenate([np.empty(0, dtype="U64"), *(batch.ids for batch in parts)])
        ids, first = np.unique(found, return_index=True)
        return Batch(
            ids=ids,
            paths=tuple(paths[row] for row in first),
            generators=tuple(names[row] for row in first),
            images=np.concatenate(images)[first],
        )

    def notes(self) -> list[str]:
        """Sentences on what was skipped and converted, for the person who asked."""
        notes = []
        if self.window:
            notes.append(
                f"{self.windowed} images of more than 8 bits were read through the window "
                f"{self.window}; generators that were taught through another one are called unknown"
            )
        if self.coloured:
            notes.append(
                f"{len(self.coloured)} images hold colours; their luma (ITU-R BT.601) was taken, "
                f"first of '{self.coloured[0]}'"
            )
        if self.skipped:
            some = "; ".join(f"'{entry.path}' {entry.reason}" for entry in self.skipped[:TOLD])
            files = "file was" if len(self.skipped) == 1 else "files were"
            more = len(self.skipped) - TOLD
            rest = f"; and {more} more, listed on the page of --report" if more > 0 else ""
            notes.append(f"{len(self.skipped)} {files} skipped: {some}{rest}")
        return notes

    def _refuse(self, path: str, reason: str, offences: list[str]) -> None:
        if self.labelled:
            offences.append(f"{path}: {reason}")
        else:
            self.skipped.append(Skipped(path, reason))

    def _batch(self, ready: list[tuple[Item, Frame]], offences: list[str]) -> Batch:
        ids = [pixel_digest(frame.pixels) for _, frame in ready]
        for identity, (item, _) in zip(ids, ready, strict=True):
            known = self._known.get(identity)
            if item.generator is not None:
                self._known.setdefault(identity, item)
            if known is None or known.generator == item.generator:
                continue
            both = f"{known.path}, {item.path}: the same image"
            if item.generator is None:
                offences.append(f"{both} in {DEVELOPMENT} and among those asked for; remove one")
            else:
                offences.append(f"{both} under two generators; keep the right one")
        return Batch(
            ids=np.array(ids, dtype="U64"),
            paths=tuple(item.path for item, _ in ready),
            generators=tuple(item.generator for item, _ in ready),
            images=np.stack([frame.pixels for _, frame in ready]),
        )

    def _decoded(self, items: Sequence[Item]) -> Iterator[tuple[Item, Frame | str]]:
        for group, frames in ahead(self._decode_file, _by_file(items), weight=len):
            yield from zip(group, frames, strict=True)

    def _decode_file(self, group: list[Item]) -> tuple[list[Item], list[Frame | str]]:
        wanted = {item.frame for item in group}
        frames: list[Frame | str] = []
        try:
            decoded = decode(self.source, group[0].name, group[0].format, self.reading)
            for number, frame in enumerate(decoded):
                if number in wanted:
                    if frame.pixels.shape != self.size[::-1]:
                        raise ImageError("has changed while it was read")
                    frames.append(frame)
            frames += ["has changed while it was read"] * (len(group) - len(frames))
        except (ImageError, UnsaidError) as error:  # unsaid, though its header said nothing of it
            frames += [str(error)] * (len(group) - len(frames))
        return group, frames


def _by_file(items: Sequence[Item]) -> Iterator[list[Item]]:
    group: list[Item] = []
    for item in items:
        if group and group[0].name != item.name:
            yield group
            group = []
        group.append(item)
    if group:
        yield group
