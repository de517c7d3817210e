"""A Spark session with a quiet log: on this machine alone, or on a cluster by its URL."""

import os
import shutil
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from ganamis.errors import UserError
from ganamis.model.fingerprint import FingerprintModel
from ganamis.model.storage import save_model
from ganamis.params import AttributeBatch

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SENT = "ganamis_model"  # the model's folder on an executor
LOOPBACK = "127.0.0.1"
INSTALL = "pip install 'ganamis[spark]'"
THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)
# Spark announces on stderr a level of the root, or of what holds its shell, other than `warn`.
LOG = """\
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %p %c{1}: %m%n%ex
rootLogger.level = warn
rootLogger.appenderRef.stderr.ref = console
logger.hadoop.name = org.apache.hadoop
logger.hadoop.level = error
logger.sql.name = org.apache.spark.sql
logger.sql.level = error
logger.util.name = org.apache.spark.util
logger.util.level = error
"""


@contextmanager
def spark_session(master: str, settings: AttributeBatch) -> Iterator["SparkSession"]:
    """Start Spark on `master`, such as `local[2]` or `spark://host:7077`; stop it at the end.

    A local master listens on the loopback address only. What spark-defaults.conf says of jars,
    credentials and executors holds as well.

    Raises:
        UserError: pyspark or Java is missing, or the master does not answer.
    """
    _require_java()
    with tempfile.TemporaryDirectory() as scratch, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "PySpark does not yet fully support", FutureWarning)
        session = _start(master, settings, Path(scratch))
        try:
            yield session
        finally:
            session.stop()


def _require_java() -> None:
    try:
        import pyspark  # noqa: F401
    except ImportError as error:
        raise UserError(f"pyspark is not installed; run `{INSTALL}`") from error
    home = os.environ.get("JAVA_HOME")
    if shutil.which("java", path=f"{home}/bin" if home else None) is None:
        place = f"in JAVA_HOME ('{home}')" if home else "on PATH"
        raise UserError(
            f"Spark needs Java 17 or later, and there is no `java` {place}; install a JRE "
            "(Debian: `apt install openjdk-17-jre-headless`) or set JAVA_HOME"
        )


def _start(master: str, settings: AttributeBatch, scratch: Path) -> "SparkSession":
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.appName("ganamis attribute-batch").master(master)
    options = _options(settings, scratch)
    if master.startswith("local"):
        os.environ.setdefault("SPARK_LOCAL_IP", LOOPBACK)
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        log = scratch / "log4j2.properties"
        log.write_text(LOG)
        options |= {
            "spark.driver.bindAddress": LOOPBACK,
            "spark.driver.host": LOOPBACK,
            "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={log}",
        }
    for key, value in options.items():
        builder = builder.config(key, value)
    try:
        return builder.getOrCreate()
    except Exception as error:  # pyspark's own and py4j's, of many kinds
        raise UserError(
            f"Spark did not start on master '{master}' ({java_reason(error)}); expected local[N] "
            "or a cluster's URL, and Java 17 or later"
        ) from error


def send_model(session: "SparkSession", model: FingerprintModel, *, scratch: Path) -> None:
    """Give this program, and a model under the name `SENT`, to every executor.

    Spark sends no folders to a cluster, so both travel as archives, which stay in `scratch`.
    """
    save_model(model, scratch / SENT)
    archive = shutil.make_archive(str(scratch / SENT), "zip", scratch / SENT)
    session.sparkContext.addArchive(f"{archive}#{SENT}")
    package = Path(str(files("ganamis")))
    with zipfile.ZipFile(scratch / "ganamis.zip", "w") as program:
        for path in sorted(package.rglob("*.py")):
            program.write(path, path.relative_to(package.parent))
    session.sparkContext.addPyFile(str(scratch / "ganamis.zip"))


def java_reason(error: Exception) -> str:
    """The first line of what Java, or else Python, says."""
    return (str(getattr(error, "java_exception", error)).splitlines() or [""])[0]


def _options(settings: AttributeBatch, scratch: Path) -> dict[str, str]:
    """Settings of tasks and workers; `scratch` takes what Spark writes beside its results."""
    workers = {name: str(settings.threads) for name in THREADS}
    workers |= {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore"}
    return {
        "spark.driver.memory": settings.driver_memory,
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": str(sys.stderr.isatty()).lower(),
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        "spark.sql.execution.arrow.maxRecordsPerBatch": str(settings.images),
        "spark.sql.files.maxPartitionBytes": str(settings.task_bytes),
        "spark.sql.files.openCostInBytes": str(settings.file_bytes),
    } | {f"spark.executorEnv.{name}": value for name, value in workers.items()}
