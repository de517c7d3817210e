"""The command line: one subcommand per stage, no logic. Numbers come from params.yaml."""

import errno
import io
import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from ganamis.errors import UserError

Size = Annotated[
    str | None, typer.Option(help="WIDTHxHEIGHT of the images to take, where sizes differ.")
]
Window = Annotated[
    str | None, typer.Option(help="For more than 8 bits: lung, soft-tissue or LEVEL,WIDTH.")
]
Axis = Annotated[
    str | None,
    typer.Option(help="Across which volumes are cut: axial, coronal, sagittal, i, j or k."),
]

# Packages of the extra `pipeline`, by the names they are imported by.
PIPELINE = {"dvc", "filelock", "git", "keras", "mlflow", "optuna", "psutil", "tensorflow"}
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}  # a disk, a quota, the size of one file
app = typer.Typer(
    name="ganamis",
    help=__doc__,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"ganamis {version('ganamis')}")
        raise typer.Exit


@app.callback()
def quiet_libraries(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print it.")
    ] = False,
) -> None:
    """How many generative models made these images, and which image came from which."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")


@app.command("import")
def import_(
    folder: Annotated[Path, typer.Argument(help="A folder in the ImageCLEF layout.")],
) -> None:
    """Check a data set, copy it into data/imported and put it under DVC."""
    from ganamis.params import load_params
    from ganamis.stages.data import import_folder

    import_folder(folder, load_params())


@app.command()
def sample() -> None:
    """Draw the default data set from the generators that come with the package."""
    from ganamis.params import load_params
    from ganamis.stages.data import sample

    sample(load_params())


@app.command()
def train_zoo(
    generator: Annotated[str, typer.Option(help="A generator of the zoo.")],
) -> None:
    """Train one generator of the zoo anew from the real CT series (extra: zoo)."""
    from ganamis.params import load_params
    from ganamis.stages.zoo import train_zoo

    train_zoo(generator, load_params())


@app.command()
def train_simulated() -> None:
    """Teach the network that comes with the package on simulated generators (hours; resumed)."""
    from ganamis.params import load_params
    from ganamis.stages.simulated import train_simulated

    train_simulated(load_params())


@app.command()
def pretrain() -> None:
    """Teach the six networks' first layers on simulated generators, for `weights: simulated`."""
    from ganamis.params import load_params
    from ganamis.stages.pretrain import pretrain

    pretrain(load_params())


@app.command()
def teach_search() -> None:
    """Learn from simulated generators when a group is two, and how sure a number is (an hour)."""
    from ganamis.params import load_params
    from ganamis.stages.teach_search import teach_search

    teach_search(load_params())


@app.command()
def ingest() -> None:
    """Check the data set and write its manifest."""
    from ganamis.params import load_params
    from ganamis.stages.data import ingest

    ingest(load_params())


@app.command()
def train(
    architecture: Annotated[str, typer.Option(help="An extractor that params.yaml lists.")],
    recipe: Annotated[
        str, typer.Option(help="paper or fingerprint, for an architecture alone.")
    ] = "named",
) -> None:
    """Search, fit and embed with one extractor."""
    from ganamis.params import load_params
    from ganamis.stages.train import train

    train(architecture, load_params(), recipe=recipe)


@app.command()
def search_worker(
    architecture: Annotated[str, typer.Option(help="An extractor whose search is running.")],
) -> None:
    """Run trials of a search that `train` has begun on a shared database."""
    from ganamis.params import load_params
    from ganamis.stages.search_worker import search_worker

    search_worker(architecture, load_params())


@app.command()
def cluster() -> None:
    """Cluster every extractor's embeddings and score the clusters."""
    from ganamis.params import load_params
    from ganamis.stages.cluster import cluster

    cluster(load_params())


@app.command()
def select() -> None:
    """Choose extractor and clusterer on development data alone."""
    from ganamis.params import load_params
    from ganamis.stages.select import select

    select(load_params())


@app.command()
def register() -> None:
    """Register the selected model as challenger."""
    from ganamis.params import load_params
    from ganamis.stages.register import register

    register(load_params())


@app.command()
def promote(
    version: Annotated[
        int | None, typer.Option(help="A version that learn or forget registered.")
    ] = None,
) -> None:
    """Let the challenger replace the champion where it is better."""
    from ganamis.params import load_params, load_params_anywhere
    from ganamis.stages.promote import promote

    promote(load_params() if version is None else load_params_anywhere(), learned=version)


@app.command()
def rollback() -> None:
    """Put the champion before the present one back."""
    from ganamis.stages.promote import rollback

    rollback()


@app.command()
def tidy(
    remove: Annotated[bool, typer.Option("--remove", help="Remove it; else only say so.")] = False,
) -> None:
    """Say what old versions and finished searches hold, and free it on demand."""
    from ganamis.stages.tidy import tidy

    tidy(remove=remove)


@app.command()
def report() -> None:
    """Write one HTML page of what the pipeline found, readable without a server."""
    from ganamis.params import load_params
    from ganamis.stages.report import report

    report(load_params())


@app.command()
def deliver() -> None:
    """Bring what `mlflow run <git address>` wrote to the folder it was started from."""
    from ganamis.stages.deliver import deliver

    deliver()


@app.command()
def attribute(
    folder: Annotated[Path, typer.Argument(help="A folder or ZIP of images, at any depth.")],
    out: Annotated[Path, typer.Option(help="The CSV file to write.")],
    clusters: Annotated[str, typer.Option(help="How many generators, or auto.")] = "auto",
    model: Annotated[
        str | None,
        typer.Option(help="models:/ganamis@champion, another registered model, or a folder."),
    ] = None,
    submission: Annotated[
        Path | None, typer.Option(help="Where to write the challenge's own form as well.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Where to write a page to look at: one HTML file.")
    ] = None,
    size: Size = None,
    window: Window = None,
    axis: Axis = None,
) -> None:
    """Say how many generators made the images of a folder, and which made which."""
    from ganamis.data.reading import parse_reading
    from ganamis.stages.attribute import attribute

    reading = parse_reading(size=size, window=window, axis=axis)
    attribute(
        folder,
        out=out,
        clusters=clusters,
        model=model,
        submission=submission,
        report=report,
        reading=reading,
    )


@app.command()
def learn(
    folder: Annotated[Path, typer.Argument(help="A folder that attribute has attributed.")],
    table: Annotated[Path, typer.Option("--from", help="The CSV file that attribute wrote.")],
    name: Annotated[list[str], typer.Option(help="CLUSTER=NAME, such as 'unknown-2=clinic A'.")],
    model: Annotated[str | None, typer.Option(help="As for attribute.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="A folder for the model, in place of the registry.")
    ] = None,
    size: Size = None,
    window: Window = None,
    axis: Axis = None,
) -> None:
    """Teach the model generators found in a folder, by a name each."""
    from ganamis.data.reading import parse_reading
    from ganamis.params import load_params_anywhere
    from ganamis.stages.learn import learn

    reading = parse_reading(size=size, window=window, axis=axis)
    params = load_params_anywhere()
    learn(folder, params, table=table, names=name, model=model, out=out, reading=reading)


@app.command()
def forget(
    name: Annotated[list[str], typer.Argument(help="Generators that the model knows.")],
    model: Annotated[str | None, typer.Option(help="As for attribute.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="A folder for the model, in place of the registry.")
    ] = None,
) -> None:
    """Take generators out of the model's catalogue."""
    from ganamis.params import load_params_anywhere
    from ganamis.stages.learn import forget

    forget(name, load_params_anywhere(), model=model, out=out)


@app.command()
def ship() -> None:
    """Fit the model that comes with the package, on the generators of the zoo."""
    from ganamis.params import load_params
    from ganamis.stages.ship import ship

    ship(load_params())


@app.command()
def attribute_batch(
    source: Annotated[str, typer.Argument(help="A folder or an object-store prefix.")],
    out: Annotated[str, typer.Option(help="The Parquet folder to write.")],
    clusters: Annotated[str, typer.Option(help="How many generators, or auto.")] = "auto",
    model: Annotated[str | None, typer.Option(help="As for attribute.")] = None,
    size: Size = None,
    window: Window = None,
    axis: Axis = None,
    master: Annotated[
        str, typer.Option(help="Spark's master: local[N] or a cluster.")
    ] = "local[*]",
) -> None:
    """Attribute any number of images together, on Spark (extra: spark)."""
    from ganamis.data.reading import parse_reading
    from ganamis.params import load_params_anywhere
    from ganamis.stages.attribute_batch import attribute_batch

    reading = parse_reading(size=size, window=window, axis=axis)
    params = load_params_anywhere()
    attribute_batch(
        source, params, out=out, clusters=clusters, model=model, reading=reading, master=master
    )


@app.command()
def serve(
    model: Annotated[str, typer.Option(help="A model, such as models:/ganamis@champion.")],
    port: Annotated[int, typer.Option(min=1, max=65535, help="On 127.0.0.1.")],
) -> None:
    """Serve a registered model over HTTP, by MLflow's protocol, to callers who are not trusted."""
    from ganamis.params import load_params_anywhere
    from ganamis.stages.serve import serve

    serve(model, load_params_anywhere(), port=port)


@app.command()
def benchmark(
    folders: Annotated[list[Path], typer.Argument(help="Labelled folders.")],
    out: Annotated[Path, typer.Option(help="The Markdown file to write.")],
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds.")],
    conditions: Annotated[str, typer.Option(help="taught, untaught or all.")] = "taught",
    model: Annotated[str | None, typer.Option(help="As for attribute.")] = None,
) -> None:
    """Score a model on labelled folders, clean and processed."""
    from ganamis.params import load_params_anywhere
    from ganamis.stages.benchmark import benchmark

    benchmark(
        folders,
        load_params_anywhere(),
        out=out,
        seeds=seeds,
        conditions=conditions,
        model=model,
    )


def main() -> None:
    """Run the command line; a user's mistake is one message and exit status 2."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a name that the terminal has no letters for
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        app()
    except UserError as error:
        print(f"ganamis: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        if error.errno not in FULL:
            raise
        print(
            f"ganamis: the disk is full ({error}); make room and run the command again, which "
            "finds all that was finished before",
            file=sys.stderr,
        )
        sys.exit(2)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in PIPELINE:
            raise
        print(
            f"ganamis: this command needs the package '{error.name}', which comes with the extra "
            "`pipeline`; run `pip install 'ganamis[pipeline]'`",
            file=sys.stderr,
        )
        sys.exit(2)


if __name__ == "__main__":
    main()
