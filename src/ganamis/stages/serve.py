"""`serve`: a registered model over HTTP, and a page to try it on."""

import os
import sys
from importlib.util import find_spec
from typing import Any

from ganamis.errors import UserError
from ganamis.params import Params
from ganamis.registry.choice import Chosen
from ganamis.serving.server import App, guarded, limits_of
from ganamis.stages.served_page import PageAnswerer

HOST = "127.0.0.1"
MODEL_VARIABLE = "GANAMIS_SERVED_MODEL"  # how the command tells the process that serves


def serve(model: str, params: Params, *, port: int) -> None:
    """Replace this process by a server of `model` on 127.0.0.1; the protocol is MLflow's.

    Args:
        model: its URI, such as `models:/ganamis@champion`.
    """
    if find_spec("mlflow") is None:  # before this process is gone
        raise ModuleNotFoundError("No module named 'mlflow'", name="mlflow")
    print(f"Serving {model}; its page, once it is loaded: http://{HOST}:{port}/", flush=True)
    command = ["-m", "uvicorn", "--factory", f"{__name__}:create", "--host", HOST]
    command += ["--port", str(port), "--limit-concurrency", str(params.serve.connections)]
    command += ["--no-server-header", "--log-level", "warning"]
    os.environ[MODEL_VARIABLE] = model
    # The products of one image are so small that a second thread is only waited for.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.execv(sys.executable, [sys.executable, *command])


def create() -> App:
    """The application, as `uvicorn --factory` builds it in the process that serves."""
    from ganamis.registry.versions import load_model
    from ganamis.tracking.runs import connect_to_read

    try:
        connect_to_read()
        uri = os.environ[MODEL_VARIABLE]
        model = load_model(uri)
        return guarded(model, _page_answerer(model, uri))
    except UserError as error:
        print(f"ganamis: {error}", file=sys.stderr)
        sys.exit(2)


def _page_answerer(model: Any, uri: str) -> PageAnswerer | None:
    """Answers the page by the very model that is served; None for a version without it."""
    inner = getattr(model.unwrap_python_model(), "model", None)
    if inner is None:
        print("ganamis: the version is older than the page, which is left out", file=sys.stderr)
        return None
    return PageAnswerer(Chosen(inner, uri), limits_of(model))
