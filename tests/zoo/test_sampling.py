"""Drawing images and writing a data set."""

import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganamis.zoo import sampling
from ganamis.zoo.anatomy import sample_codes


def _digests(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_same_seed_same_bytes() -> None:
    first = sampling.sample_images("dcgan", 2, seed=5)
    assert first.tobytes() == sampling.sample_images("dcgan", 2, seed=5).tobytes()
    assert first.tobytes() != sampling.sample_images("dcgan", 2, seed=6).tobytes()


def test_an_image_does_not_depend_on_how_many_follow() -> None:
    codes = sample_codes(sampling.BATCH + 2, seed=1)
    many = list(sampling.render("vqvae", codes, seed=2))
    few = list(sampling.render("vqvae", codes[:3], seed=2))
    np.testing.assert_array_equal(many[:3], few)


def test_noise_makes_two_images_of_one_code_differ() -> None:
    code = sample_codes(1, seed=1)
    first, second = (next(iter(sampling.render("diffusion", code, seed=s))) for s in (1, 2))
    assert (first != second).mean() > 0.05


def test_dataset_layout_and_repeatability(tmp_path: Path) -> None:
    order = {"development": {"dcgan": 2, "vae": 3}, "test": {"vae": 2, "wgan_gp": 3}, "seed": 4}
    report = sampling.write_dataset(tmp_path / "one", **order)
    sampling.write_dataset(tmp_path / "two", **order)
    assert report["images"] == 10
    assert set(report["images_per_second"]) == {"dcgan", "vae", "wgan_gp"}
    digests = _digests(tmp_path / "one")
    assert digests == _digests(tmp_path / "two")
    assert list(digests) == sorted(
        [f"development/dcgan/{i:04d}.png" for i in range(2)]
        + [f"development/vae/{i:04d}.png" for i in range(3)]
        + [f"test/{i:04d}.png" for i in range(5)]
        + ["test_labels.csv"]
    )
    with (tmp_path / "one" / "test_labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == [f"{i:04d}.png" for i in range(5)]
    assert sorted(row["model"] for row in rows) == ["vae"] * 2 + ["wgan_gp"] * 3
    with Image.open(tmp_path / "one" / "test" / "0000.png") as image:
        assert (image.size, image.mode) == ((256, 256), "L")


def test_splits_share_no_code() -> None:
    orders = sampling.deal_codes({"dcgan": 40, "vae": 40}, {"vae": 40, "vqvae": 40}, seed=0)
    codes = np.concatenate([order.codes for order in orders])
    assert len(np.unique(codes.reshape(len(codes), -1), axis=0)) == 160


def test_test_names_say_nothing_of_the_generator() -> None:
    numbers = sampling.shuffled_numbers(100, seed=0)
    assert sorted(numbers) == list(range(100))
    assert abs(np.mean(numbers[:50]) - 49.5) < 10


@pytest.mark.parametrize(
    ("development", "test", "message"),
    [
        ({"stylegan": 2}, {"vae": 2}, "no generator 'stylegan'; choose from: dcgan"),
        ({"vae": 2}, {"vae": 0}, "test: vae needs at least 1 image, got 0"),
        ({}, {"vae": 2}, "development: name at least one generator; choose from: dcgan"),
    ],
)
def test_bad_orders_are_refused_before_any_work(
    tmp_path: Path, development: dict, test: dict, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        sampling.write_dataset(tmp_path / "data", development=development, test=test, seed=0)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_write_leaves_the_old_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "data"
    root.mkdir()
    (root / "old.txt").write_text("old")
    drawn = sampling.render

    def interrupted(*args, **kwargs):
        yield next(drawn(*args, **kwargs))
        raise KeyboardInterrupt

    monkeypatch.setattr(sampling, "render", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sampling.write_dataset(root, development={"dcgan": 2}, test={"vae": 2}, seed=0)
    assert _digests(tmp_path) == {"data/old.txt": hashlib.sha256(b"old").hexdigest()}
