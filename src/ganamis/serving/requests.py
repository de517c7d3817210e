"""What a scoring request may look like: read by one strict rule before anything else sees it."""

import base64
import json
from typing import Any

FORMS = ("dataframe_split", "dataframe_records", "inputs", "instances")
SHAPE = (
    'expected {"dataframe_records": [{"image": "<base64>"}, ...]}, or the same as dataframe_split, '
    "inputs or instances"
)


class RequestError(Exception):
    """A request that cannot be read; the message never quotes it."""


def read_images(body: bytes, *, most: int) -> list[str]:
    """The base64 texts of a request, checked.

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
    if not isinstance(request, dict) or len(request) != 1:
        raise RequestError(SHAPE)
    ((form, content),) = request.items()
    if form not in FORMS:
        raise RequestError(SHAPE)
    images = _columns(form, content)
    if not 1 <= len(images) <= most:
        raise RequestError(f"a request holds 1 to {most} images, got {len(images)}")
    return [_checked(image, number) for number, image in enumerate(images, start=1)]


def canonical(images: list[str]) -> bytes:
    """The same request in the one form that the model's server is given."""
    split = {"columns": ["image"], "data": [[image] for image in images]}
    return json.dumps({"dataframe_split": split}).encode()


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
