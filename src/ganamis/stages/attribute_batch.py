"""`attribute-batch`: `attribute` for any number of images, through Spark, into Parquet."""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rich.console import Console

from ganamis.contracts import UNASSIGNED
from ganamis.data.reading import Reading
from ganamis.errors import UserError
from ganamis.files import try_output, whole_folder
from ganamis.model.answer import UNKNOWN
from ganamis.params import AttributeBatch, Params
from ganamis.registry.choice import choose_model
from ganamis.stages.answering import parse_clusters
from ganamis.stages.attribute import print_clusters, print_findings
from ganamis.stages.spark_answer import answer
from ganamis.stages.spark_session import java_reason, send_model, spark_session

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SHOWN_ERRORS = 5


def attribute_batch(
    source: str,
    params: Params,
    *,
    out: str,
    clusters: str,
    model: str | None,
    reading: Reading,
    master: str,
) -> None:
    """Attribute every image below `source` together; write one row per image.

    A file that is no usable image becomes a row whose `error` says why; files of no bytes are
    counted and left out. Local results are
    written under a temporary name and renamed; on an object store Spark's committer makes them
    visible at the end, with the file `_SUCCESS` last.

    Args:
        source: a folder or a URL that Spark can read, such as `s3a://bucket/prefix`.
        out: the Parquet folder; it must not exist yet.
        clusters: how many generators, or `auto` to find out.
        model: as for `attribute`; executors get it from here.
        reading: what the owner of the images says of them.
        master: Spark's master URL.

    Raises:
        UserError: `source` has no image, `out` exists, or model, pyspark, Java or master is
            missing.
    """
    count = parse_clusters(clusters)
    _refuse_existing(out)
    if _is_local(source) and not _local(source).is_dir():
        raise UserError(f"'{source}' is no folder; name a folder or a URL that Spark can read")
    settings = params.attribute_batch
    with spark_session(master, settings) as session, tempfile.TemporaryDirectory() as scratch:
        files = _files(session, source)
        chosen = choose_model(model)
        console = Console(markup=False)
        console.print(f"Answering with {chosen.name}.")
        send_model(session, chosen.model, scratch=Path(scratch))
        small = files.where(files["length"] <= settings.largest_file)
        found, answered = answer(
            session, small, chosen.model, clusters=count, reading=reading, settings=settings
        )
        rows = _every_file(files, answered, settings)
        with _whole_output(out) as target:
            rows.write.mode("append" if _is_local(out) else "errorifexists").parquet(target)
            _refuse_existing(out)
        print_findings(found, console)
        written = session.read.parquet(_url(out))
        _summarise(written, out)
        _tell_empty(len(files._jdf.inputFiles()) - written.select("path").distinct().count())


def _is_local(place: str) -> bool:
    return urlsplit(place).scheme in ("", "file")


def _local(place: str) -> Path:
    return Path(place.removeprefix("file://").removeprefix("file:"))


def _url(place: str) -> str:
    return f"file://{_local(place).resolve()}" if _is_local(place) else place


def _refuse_existing(out: str) -> None:
    if _is_local(out) and os.path.lexists(_local(out)):
        raise UserError(f"'{out}' exists already; name another folder, or remove that one first")
    if _is_local(out):
        try_output(_local(out), folder=True)


@contextmanager
def _whole_output(out: str) -> Iterator[str]:
    """Where Spark writes: a folder that takes its name at the end, or the object store itself."""
    if not _is_local(out):
        yield out
        return
    with whole_folder(_local(out).resolve()) as folder:
        yield f"file://{folder}"


def _files(session: "SparkSession", source: str) -> "DataFrame":
    """Every file below `source`: columns `path`, `length`, `content`, ... (read when needed)."""
    place = re.sub(r"([\[\]{}*?])", r"\\\1", _url(source)) if _is_local(source) else source
    try:
        files = (
            session.read.format("binaryFile")
            .option("recursiveFileLookup", "true")
            .option("ignoreCorruptFiles", "true")  # they come back as rows with an error
            .load(place)
        )
        empty = files.select("path").isEmpty()
    except Exception as error:  # pyspark's own, py4j's and the file systems', of many kinds
        raise UserError(
            f"'{source}' cannot be listed ({java_reason(error)}); check the address, and that "
            "Spark has the jar and the credentials of its file system (docs/scaling.md)"
        ) from error
    if empty:
        raise UserError(f"'{source}' has no files; name the folder that holds the images")
    return files


def _every_file(files: "DataFrame", answered: "DataFrame", settings: AttributeBatch) -> "DataFrame":
    """The rows answered, and one for every file that was too large or could not be read."""
    from pyspark.sql import functions as f

    reason = f.when(
        f.col("length") <= settings.largest_file, "cannot be read; check the file and its rights"
    ).otherwise(f"is larger than {settings.largest_file} bytes; see attribute_batch.largest_file")
    rows = files.select("path", "length").join(answered, "path", "left")
    return rows.select(
        "path",
        f.coalesce("image", f.element_at(f.split("path", "/"), -1)).alias("image"),
        f.coalesce("cluster", f.lit(UNASSIGNED)).alias("cluster"),
        f.coalesce("generator", f.lit(UNKNOWN)).alias("generator"),
        f.coalesce("known", f.lit(False)).alias("known"),
        f.coalesce("score", f.lit(0.0)).alias("score"),
        f.coalesce("error", reason).alias("error"),
    )


def _summarise(written: "DataFrame", out: str) -> None:
    """Print what `attribute` prints, and the commonest errors."""
    from pyspark.sql import functions as f

    usable = f.col("error") == ""
    groups = written.where(usable).groupBy("cluster", "generator")
    counts = groups.agg(f.count("*").alias("images"), f.avg("score").alias("score"))
    print_clusters(counts.orderBy("cluster", "generator").toPandas(), out)
    errors = written.where(~usable).groupBy("error").count().orderBy(f.desc("count"), "error")
    rows = errors.collect()
    if rows:
        bad = sum(row["count"] for row in rows)
        Console(markup=False).print(f"{bad} files could not be attributed (column `error`):")
        for row in rows[:SHOWN_ERRORS]:
            Console(markup=False).print(f"  {row['count']} x {row['error']}", highlight=False)


def _tell_empty(count: int) -> None:
    """Spark leaves files of no bytes out of its tasks (SPARK-26161), but it has listed them."""
    if count:
        Console(markup=False).print(f"{count} empty files were left out.")
