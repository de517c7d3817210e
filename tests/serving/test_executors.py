"""What executors do with a partition: whole embeddings of those searched, errors for the others."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ganamis.data.reading import Reading
from ganamis.model.fingerprint import FingerprintModel
from ganamis.serving.executors import assign_rows, embed_files, place, stack
from tests.builders import encode
from tests.model.simulated import draw, model_of

IMAGES = np.concatenate([draw(generator, 12, 5) for generator in (0, 1, 2)])


@pytest.fixture(scope="module")
def model() -> FingerprintModel:
    return model_of(0, 1)


def _embed(
    model: FingerprintModel, files: dict[str, bytes], *, kept: float = 1.0, **reading: object
) -> pd.DataFrame:
    table = pd.DataFrame({"path": files.keys(), "content": files.values()})
    parts = embed_files(
        iter([table[:5], table[5:]]), model, reading=Reading(**reading), kept=kept, images=4
    )
    return pd.concat(parts, ignore_index=True)


def _files(images: np.ndarray) -> dict[str, bytes]:
    return {f"/in/{number}.png": encode(image) for number, image in enumerate(images)}


def test_partitions_give_the_answer_of_the_model_itself(model: FingerprintModel) -> None:
    rows = _embed(model, _files(IMAGES))
    sample = stack(rows["id"], rows["views"].tolist(), rows["content"].tolist(), 9)
    assert sample.ids.tolist() == sorted(rows["id"])
    expected = model.together(model.embed(IMAGES, rows["id"]))
    found = model.together(sample)
    (answered,) = assign_rows(iter([rows]), found, size=(64, 64))
    assert answered["cluster"].tolist() == expected.labels.tolist()
    assert answered["generator"].tolist() == expected.names.tolist()
    assert answered["known"].tolist() == expected.known.tolist()
    np.testing.assert_allclose(answered["score"], expected.scores, atol=1e-6)
    assert answered["cluster"].nunique() == 3 and (answered["error"] == "").all()


def test_only_those_that_may_be_searched_keep_their_views(model: FingerprintModel) -> None:
    rows = _embed(model, _files(IMAGES), kept=0.5)
    searched = np.array([place(identity) < 0.5 for identity in rows["id"]])
    assert 0 < searched.sum() < len(rows)
    for column in ("views", "content"):
        assert rows[column].notna().tolist() == searched.tolist()
    assert rows["mean"].notna().all()
    views = np.frombuffer(rows["views"][int(searched.argmax())], dtype=np.float32).reshape(9, -1)
    mean = np.frombuffer(rows["mean"][int(searched.argmax())], dtype=np.float32)
    np.testing.assert_array_equal(views.mean(axis=0), mean)


def test_colours_frames_sizes_and_damage_are_read_as_attribute_reads_them(
    model: FingerprintModel, tmp_path: Path
) -> None:
    pages = [Image.fromarray(image) for image in IMAGES[:3]]
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    colours = np.stack([IMAGES[3], IMAGES[4], IMAGES[5]], axis=-1)
    rows = _embed(
        model,
        {
            "/in/pages.tif": (tmp_path / "pages.tif").read_bytes(),
            "/in/colour.png": encode(Image.fromarray(colours)),
            "/in/larger.png": encode(draw(0, 1, 0, size=(80, 96))[0]),
            "/in/broken.png": encode(IMAGES[6])[:200],
            "/in/text.png": b"no image",
            "/in/deep.png": encode(Image.fromarray(np.ones((64, 64), np.uint16) * 700)),
        },
    ).set_index("image")
    good = {"pages.tif[0]", "pages.tif[1]", "pages.tif[2]", "colour.png", "larger.png"}
    assert set(rows.index[rows["error"] == ""]) == good
    assert set(rows["path"][rows.index.str.startswith("pages")]) == {"/in/pages.tif"}
    assert rows.loc["larger.png", ["width", "height"]].tolist() == [96, 80]
    for name, reason in {
        "broken.png": "truncated or damaged",
        "text.png": "is no image that can be read",
        "deep.png": "--window",
    }.items():
        assert reason in rows["error"][name] and rows["id"].isna()[name]


def test_images_of_another_size_are_refused_row_by_row(model: FingerprintModel) -> None:
    files = _files(IMAGES) | {"/in/x.png": encode(draw(0, 1, 0, size=(80, 96))[0])}
    rows = _embed(model, files)
    found = model.together(model.embed(IMAGES))
    (answered,) = assign_rows(iter([rows]), found, size=(64, 64))
    other = answered[answered["image"] == "x.png"].iloc[0]
    assert (other["cluster"], other["generator"], other["score"]) == (-1, "unknown", 0.0)
    assert other["error"].startswith("has 96x80 pixels") and "64x64" in other["error"]
    chosen = _embed(model, files, size=(96, 80))
    assert chosen["error"].eq("").sum() == 1
    assert chosen["error"][0].endswith("96x80 was chosen")
