"""The generators' networks and the weights shipped for them."""

import numpy as np
import pytest

from ganamis.zoo.generators import GENERATORS, generator
from ganamis.zoo.geometry import reduce
from ganamis.zoo.sampling import sample_images
from ganamis.zoo.weights import load_weights, save_weights, shipped

MEBIBYTE = 1024 * 1024


def test_there_are_eight_of_different_kinds() -> None:
    assert len(GENERATORS) >= 8
    assert len({spec.family for spec in GENERATORS.values()}) >= 7
    assert len({spec.upsampling for spec in GENERATORS.values()}) >= 7
    assert len({spec.seed for spec in GENERATORS.values()}) == len(GENERATORS)


def test_unknown_generator_lists_the_valid_ones() -> None:
    with pytest.raises(ValueError, match="no generator 'stylegan'.*dcgan.*latent_flow"):
        generator("stylegan")


def test_weights_are_small_and_hold_no_pickle() -> None:
    sizes = {name: shipped(name).stat().st_size for name in GENERATORS}
    assert max(sizes.values()) <= 4 * MEBIBYTE, sizes
    folder = next(iter(shipped(name).parent for name in GENERATORS))
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 30 * MEBIBYTE
    for name in GENERATORS:
        with np.load(shipped(name), allow_pickle=False) as file:
            assert {file[key].dtype for key in file.files} == {np.dtype(np.float16)}


@pytest.mark.parametrize("name", GENERATORS)
def test_images_follow_their_codes(name: str) -> None:
    from ganamis.zoo.anatomy import sample_codes

    images = sample_images(name, 3, seed=9)
    assert images.shape == (3, 256, 256)
    assert images.dtype == np.uint8
    assert images.max() > 180
    thumbnails = reduce(images.astype(np.float32)) / 255
    assert np.abs(thumbnails - sample_codes(3, seed=9)).mean() < 0.01


def test_block_means_are_corrected_exactly() -> None:
    from ganamis.zoo.layers import correct

    rng = np.random.default_rng(0)
    image = rng.random((2, 64, 48, 1), np.float32)
    code = rng.random((2, 8, 6, 1), np.float32)
    corrected = np.asarray(correct(image, code))
    np.testing.assert_allclose(reduce(corrected[..., 0]), code[..., 0], atol=1e-5)


def test_weights_of_another_network_are_refused(tmp_path) -> None:
    import keras

    small = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    large = keras.Sequential([keras.Input((2,)), keras.layers.Dense(4)])
    save_weights(tmp_path / "small.npz", small)
    with pytest.raises(ValueError, match="small.npz does not fit its network"):
        load_weights(tmp_path / "small.npz", large)
