"""What `serve` answers its page: a ZIP of images in, the answer as JSON or as the folder's page."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ganamis.contracts import DEVELOPMENT
from ganamis.data.archive import ArchiveSource, Bounds
from ganamis.data.folder import ImageFolder
from ganamis.data.listing import open_folder
from ganamis.data.reading import parse_reading, size_name
from ganamis.errors import UserError
from ganamis.registry.choice import Chosen
from ganamis.report.folder_wording import processing
from ganamis.report.parts import percent
from ganamis.serving.transport import Limits
from ganamis.stages.answering import AUTO, Answered, answer, answer_table, parse_clusters

NAME = "images.zip"  # what messages call what was sent; where it lies here is nobody's business
LISTED = 100  # skipped files


@dataclass(frozen=True)
class PageAnswerer:
    """Answers by one model, within the limits of the server; see `serving.page.Answerer`."""

    chosen: Chosen
    limits: Limits

    def answer(self, archive: Path, options: Mapping[str, str]) -> bytes:
        """The answer in JSON."""
        with self._answered(archive, options) as answered:
            return json.dumps(_told(answered)).encode()

    def report(self, archive: Path, options: Mapping[str, str]) -> bytes:
        """The folder's page."""
        # Matplotlib is imported only where a page is asked for.
        from ganamis.stages.folder_report import folder_page

        with self._answered(archive, options) as answered:
            return folder_page(answered).encode()

    @contextmanager
    def _answered(self, archive: Path, options: Mapping[str, str]) -> Iterator[Answered]:
        """The answer, while the archive is open: the folder's page looks at its images again."""
        clusters = parse_clusters(options.get("clusters", AUTO))
        reading = parse_reading(**{k: v for k, v in options.items() if k != "clusters"})
        bounds = Bounds(self.limits.largest_file, self.limits.largest_request)
        source = ArchiveSource.of(archive, keep=DEVELOPMENT, bounds=bounds, name=NAME)
        with source.archive:
            opened = open_folder(Path(NAME), reading=reading, source=source)
            self._check(opened)
            yield answer(opened, self.chosen, clusters=clusters)

    def _check(self, opened: ImageFolder) -> None:
        images = len(opened.asked) + len(opened.taught)
        if images > self.limits.images:
            raise UserError(
                f"a request holds 1 to {self.limits.images} images, got {images}; `ganamis "
                "attribute` takes any number"
            )


def _told(answered: Answered) -> dict[str, object]:
    """What the page shows; probabilities for reading come as text."""
    opened, found = answered.opened, answered.found
    membership = found.membership.tolist()
    images = zip(answered.paths, found.labels.tolist(), membership, strict=True)
    return {
        "model": answered.called,
        "known": list(answered.model.known),
        "learned": len(opened.taught),
        "size": size_name(opened.size),
        "given": answered.given,
        "sure": None if found.confidence is None else percent(found.confidence),
        "clusters": [
            {"name": cluster.name, "known": cluster.known, "sure": percent(cluster.score)}
            for cluster in found.clusters
        ],
        "images": [
            {"path": path, "cluster": label, "membership": share, "sure": percent(share)}
            for path, label, share in images
        ],
        "processing": [(kind, percent(share)) for kind, share in processing(found.conditions)],
        "notes": opened.notes(),
        "skipped": [(entry.path, entry.reason) for entry in opened.skipped[:LISTED]],
        "csv": answer_table(answered).to_csv(index=False, float_format="%.4f"),
    }
