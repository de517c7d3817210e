"""`serve`: a registered model over HTTP."""

import os
import sys
from importlib.util import find_spec

from ganamis.errors import UserError
from ganamis.params import Params
from ganamis.serving.server import App, guarded

HOST = "127.0.0.1"
MODEL_VARIABLE = "GANAMIS_SERVED_MODEL"  # how the command tells the process that serves


def serve(model: str, params: Params, *, port: int) -> None:
    """Replace this process by a server of `model` on 127.0.0.1; the protocol is MLflow's.

    Args:
        model: its URI, such as `models:/ganamis@champion`.
    """
    if find_spec("mlflow") is None:  # before this process is gone
        raise ModuleNotFoundError("No module named 'mlflow'", name="mlflow")
    command = ["-m", "uvicorn", "--factory", f"{__name__}:create", "--host", HOST]
    command += ["--port", str(port), "--limit-concurrency", str(params.serve.connections)]
    command += ["--no-server-header", "--log-level", "warning"]
    os.environ[MODEL_VARIABLE] = model
    os.execv(sys.executable, [sys.executable, *command])


def create() -> App:
    """The application, as `uvicorn --factory` builds it in the process that serves."""
    from ganamis.registry.versions import load_model
    from ganamis.tracking.runs import connect_to_read

    try:
        connect_to_read()
        return guarded(load_model(os.environ[MODEL_VARIABLE]))
    except UserError as error:
        print(f"ganamis: {error}", file=sys.stderr)
        sys.exit(2)
