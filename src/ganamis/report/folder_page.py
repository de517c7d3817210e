"""The page of one folder: what a model says of its images, and how far that may be trusted."""

from dataclasses import dataclass

from ganamis.report.parts import Group, Picture, templates


@dataclass(frozen=True)
class FolderReport:
    """Everything the page says.

    folder: its name. version: of the program. model: which answered. known: generators it can
    name. learned: images of the folder that taught it. images: files answered for; different: of
    them, by their pixels. size: such as `256x256`. given: the number of generators was told.
    confidence: probability that the number is right; None where it is not known. conditions:
    kinds of processing and the share of the images that resemble them, or none. doubts: the
    images that fit their cluster least; surest_doubt: even these almost certainly do. skipped:
    paths and reasons of the first ones; skips: of how many. coloured: images of which the luma
    was taken. window: through which more than 8 bits were read, or empty. missing: what was not
    measured.
    """

    folder: str
    version: str
    model: str
    known: tuple[str, ...]
    learned: int
    images: int
    different: int
    size: str
    given: bool
    confidence: float | None
    groups: tuple[Group, ...]
    conditions: tuple[tuple[str, float], ...]
    figures: tuple[Picture, ...]
    doubts: tuple[Picture, ...]
    surest_doubt: bool
    skipped: tuple[tuple[str, str], ...]
    skips: int
    coloured: int
    window: str
    missing: tuple[str, ...]

    @property
    def clusters(self) -> tuple[Group, ...]:
        """The clusters, without the images left out."""
        return tuple(group for group in self.groups if group.name)

    @property
    def left_out(self) -> int:
        """Images that fit no cluster."""
        return sum(group.images for group in self.groups if not group.name)


def render(report: FolderReport) -> str:
    """The page. Every value from outside is escaped."""
    return templates().get_template("folder.html.j2").render(report=report)
