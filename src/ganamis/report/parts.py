"""What every page consists of: pictures, clusters, numbers for reading, and the templates."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined


@dataclass(frozen=True)
class Picture:
    """An image inside the page.

    source: a `data:` address. alt: what the picture shows, for those who do not see it.
    """

    title: str
    alt: str
    caption: str
    source: str
    width: int
    height: int


@dataclass(frozen=True)
class Group:
    """One cluster.

    title: such as `cluster 0`. name: a known generator's or `unknown-1`, ...; empty for the images
    that were left unassigned. makers: true generators and their images, largest first; empty
    without labels. score: probability that the name is right; None where it was not asked.
    """

    title: str
    name: str
    known: bool
    images: int
    makers: tuple[tuple[str, int], ...]
    examples: tuple[Picture, ...]
    score: float | None = None


def number(value: float | None, digits: int = 3) -> str:
    """A number for reading: a true minus sign, no negative zero, a dash for what is missing."""
    if value is None or math.isnan(value):
        return "–"
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")


def percent(share: float) -> str:
    """A probability for reading, never rounded to certainty: `93 %`, `over 99 %`, `under 1 %`."""
    if share > 0.99:
        return "over 99 %"
    return f"{share * 100:.0f} %" if share >= 0.01 else "under 1 %"


def count(value: int, noun: str) -> str:
    """A number with its noun: `1 generator`, `5 generators`."""
    return f"{value:,} {noun}" if value == 1 else f"{value:,} {noun}s"


def and_list(names: Sequence[str]) -> str:
    """Names for reading: `a, b and c`."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def templates(folder: str = "report") -> Environment:
    """A folder of templates of the package. Every value from outside is escaped."""
    environment = Environment(
        loader=PackageLoader("ganamis", folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": number,
        "percent": percent,
        "count": count,
        "and_list": and_list,
    }
    return environment
