"""The joint answer on Spark: executors embed, the driver searches a sample, executors assign.

Every image is embedded once; its embedding stays on the disk of the executor that made it. What
comes to the driver is bounded by the model's `sample`, however many images there are.
"""

from typing import TYPE_CHECKING

from ganamis.contracts import Embedded
from ganamis.data.reading import Reading
from ganamis.errors import UserError
from ganamis.model.answer import Attribution
from ganamis.model.fingerprint import FingerprintModel
from ganamis.params import AttributeBatch
from ganamis.serving.executors import (
    ANSWERED,
    EMBEDDED,
    assign_rows,
    embed_files,
    place,
    sent_model,
    stack,
)
from ganamis.stages.spark_session import SENT

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

MARGIN = 2  # times as many images keep all their views as will be searched, if all are usable
SHOWN_ERRORS = 5


def answer(
    session: "SparkSession",
    files: "DataFrame",
    model: FingerprintModel,
    *,
    clusters: int | None,
    reading: Reading,
    settings: AttributeBatch,
) -> tuple[Attribution, "DataFrame"]:
    """Attribute all images of `files` (columns `path`, `content`) together.

    An image that occurs several times counts once in the search. The images answered for have
    the commonest size; the others become rows with an error.

    Args:
        model: as it was sent to the executors.

    Returns:
        The answer for the images searched, and for all of them columns `ANSWERED`, computed when
        they are written.

    Raises:
        UserError: no image can be read, or fewer different ones than clusters.
    """
    most = model.backend.settings.sample
    kept = min(1.0, MARGIN * most / max(1, files.count()))
    embedded = _embed(files, reading=reading, kept=kept, settings=settings)
    size = _commonest_size(embedded)
    usable = embedded.where(f"error = '' and width = {size[0]} and height = {size[1]}")
    last = _last_searched(usable, most)
    if place(last) >= kept:  # many copies, or files that are no images: keep the views of all
        embedded.unpersist()
        embedded = _embed(files, reading=reading, kept=1.0, settings=settings)
        usable = embedded.where(f"error = '' and width = {size[0]} and height = {size[1]}")
    sample = _sample(usable, last, views=model.extractor.views)
    found = model.together(sample, clusters=clusters)
    shared = session.sparkContext.broadcast(found)
    answered = embedded.select("path", "image", "error", "width", "height", "id", "mean")
    return found, answered.mapInPandas(
        lambda batches: assign_rows(batches, shared.value, size=size), ANSWERED
    )


def _embed(
    files: "DataFrame", *, reading: Reading, kept: float, settings: AttributeBatch
) -> "DataFrame":
    """Columns `EMBEDDED`, one row per image; kept on the executors' disks once computed."""
    from pyspark import StorageLevel

    images = settings.images
    return (
        files.select("path", "content")
        .mapInPandas(
            lambda batches: embed_files(
                batches, sent_model(SENT), reading=reading, kept=kept, images=images
            ),
            EMBEDDED,
        )
        .persist(StorageLevel.DISK_ONLY)
    )


def _commonest_size(embedded: "DataFrame") -> tuple[int, int]:
    """Width and height of most images; of equally common sizes, the larger one."""
    counts = embedded.groupBy("error", "width", "height").count().collect()
    sizes = [(row["count"], row["width"], row["height"]) for row in counts if not row["error"]]
    if sizes:
        _, width, height = max(sizes)
        return width, height
    counts.sort(key=lambda row: row["count"], reverse=True)
    reasons = [f"\n  {row['count']} x {row['error']}" for row in counts[:SHOWN_ERRORS]]
    raise UserError("no image could be read:" + "".join(reasons))


def _last_searched(usable: "DataFrame", most: int) -> str:
    """The last of the `most` ids that come first."""
    from pyspark.sql import functions as f

    first = usable.select("id").distinct().orderBy("id").limit(most)
    return str(first.agg(f.max("id")).collect()[0][0])


def _sample(usable: "DataFrame", last: str, *, views: int) -> Embedded:
    """The different images up to the id `last`, with all their views."""
    rows = usable.where(usable["id"] <= last).dropDuplicates(["id"])
    table = rows.select("id", "views", "content").toArrow()
    ids, features, content = (column.to_pylist() for column in table.itercolumns())
    return stack(ids, features, content, views)
