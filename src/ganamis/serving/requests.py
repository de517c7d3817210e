"""What a scoring request may look like: read by one strict rule before anything else sees it."""

import base64
import json
from dataclasses import dataclass
from typing import Any

FORMS = ("dataframe_split", "dataframe_records", "inputs", "instances")
SHAPE = (
    'expected {"dataframe_records": [{"image": "<base64>"}, ...]}, or the same as dataframe_split, '
    "inputs or instances"
)

PARAMS = 'expected "params": {"together": true or false, "clusters": a whole number}'


class RequestError(Exception):
    """A request that cannot be read; the message never quotes it."""


@dataclass(frozen=True)
class Request:
    """images: base64 texts, checked. together: they are one folder. clusters: 0 to find out."""

    images: tuple[str, ...]
    together: bool = False
    clusters: int = 0


def read_request(body: bytes, *, most: int) -> Request:
    """The images and parameters of a request, checked.

    Args:
        body: MLflow's scoring protocol, in JSON, in any of its four forms.
        most: images that a request may hold.

    Raises:
        RequestError: the rule that was broken, and the number of the image that breaks it.
    """
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        raise RequestError(f"the body is not JSON; {SHAPE}") from None
    if not isinstance(request, dict):
        raise RequestError(SHAPE)
    params = request.pop("params", {})
    if len(request) != 1:
        raise RequestError(SHAPE)
    ((form, content),) = request.items()
    if form not in FORMS:
        raise RequestError(SHAPE)
    images = _columns(form, content)
    if not 1 <= len(images) <= most:
        raise RequestError(f"a request holds 1 to {most} images, got {len(images)}")
    together, clusters = _params(params, len(images))
    checked = tuple(_checked(image, number) for number, image in enumerate(images, start=1))
    return Request(checked, together, clusters)


def _params(params: Any, images: int) -> tuple[bool, int]:
    if not isinstance(params, dict) or not params.keys() <= {"together", "clusters"}:
        raise RequestError(PARAMS)
    together, clusters = params.get("together", False), params.get("clusters", 0)
    if type(together) is not bool or type(clusters) is not int:
        raise RequestError(PARAMS)
    if clusters and not (together and 1 <= clusters <= images):
        raise RequestError(
            "params.clusters goes with together, and is 0 (find out) to the number of images"
        )
    return together, clusters


def canonical(request: Request) -> bytes:
    """The same request in the one form that the model's server is given."""
    split = {"columns": ["image"], "data": [[image] for image in request.images]}
    params = {"together": request.together, "clusters": request.clusters}
    return json.dumps({"dataframe_split": split, "params": params}).encode()


def _columns(form: str, content: Any) -> list[Any]:
    if form == "dataframe_split" and isinstance(content, dict):
        rows = content.get("data")
        if content.get("columns") == ["image"] and isinstance(rows, list):
            if content.keys() <= {"columns", "data", "index"}:
                rows = [{"image": row[0]} if _is_single(row) else None for row in rows]
                return _records(rows)
    elif form in ("dataframe_records", "instances") and isinstance(content, list):
        return _records(content)
    elif form == "inputs" and isinstance(content, dict) and content.keys() == {"image"}:
        if isinstance(content["image"], list):
            return content["image"]
    raise RequestError(SHAPE)


def _is_single(row: Any) -> bool:
    return isinstance(row, list) and len(row) == 1


def _records(rows: list[Any]) -> list[Any]:
    if not all(isinstance(row, dict) and row.keys() == {"image"} for row in rows):
        raise RequestError(f"every row needs the one column 'image'; {SHAPE}")
    return [row["image"] for row in rows]


def _checked(image: Any, number: int) -> str:
    if not isinstance(image, str):
        raise RequestError(f"image {number} is not text; give the file's bytes in base64")
    text = "".join(image.split())  # encoders break lines
    try:
        base64.b64decode(text, validate=True)
    except ValueError:
        raise RequestError(f"image {number} is not base64; encode the file's bytes") from None
    return text
