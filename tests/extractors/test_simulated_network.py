"""The network taught on simulated generators: as Keras computes it, resumed, without TensorFlow."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ganamis.errors import UserError
from ganamis.extractors.discriminant import STEADY, discriminant_axes, learn
from ganamis.extractors.fusion import Fusion
from ganamis.extractors.loading import load_extractor
from ganamis.extractors.phases import phased_starts
from ganamis.extractors.residual_network import HIGH_PASS
from ganamis.extractors.simulated_batches import BatchPlan, draw_batch
from ganamis.extractors.simulated_judgement import held_out_score
from ganamis.extractors.simulated_network import (
    LEAK,
    LOG_FLOOR,
    MARGIN,
    SOFT,
    Shape,
    SimulatedNetwork,
)
from ganamis.extractors.simulated_training import Trainer, TrainingPlan, trained_arrays
from ganamis.extractors.spectrum import Spectrum
from ganamis.simulation.postprocessing import draw_process
from ganamis.simulation.world import World

SHAPE = Shape(channels=(6, 8), sizes=(6, 3), strides=(2, 2), grid=3)
PLAN = TrainingPlan(
    SHAPE, BatchPlan(4, 2, 2, (64, 72)), steps=6, rate=1e-3, temperature=0.1, every=3
)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, 80, 96)).astype(np.uint8)


@pytest.fixture(scope="module")
def network() -> SimulatedNetwork:
    random = np.random.default_rng(1)
    arrays, inputs = [], 3
    for channels, size in zip(SHAPE.channels, SHAPE.sizes, strict=True):
        arrays.append(random.normal(0, 0.2, (size, size, inputs, channels)).astype(np.float32))
        arrays.append(random.normal(0, 0.2, channels).astype(np.float32))
        inputs = channels
    return SimulatedNetwork(SHAPE, tuple(arrays))


def filtered_world(generators: int, images: int) -> World:
    """Noise, through a filter of its own for each generator."""
    random = np.random.default_rng(2)
    noise = random.normal(0, 40, (generators, images, 256, 256))
    for generator, lag in enumerate(range(1, generators + 1)):
        noise[generator] += np.roll(noise[generator], lag, axis=1)
    pixels = np.clip(noise + 128, 0, 255).astype(np.uint8)
    families = np.arange(generators) // 2
    content = np.zeros((generators, images), np.int32)
    return World(pixels, families, np.array(["filter"] * generators), content)


def _convolved(x: np.ndarray, kernel: np.ndarray, stride: int) -> np.ndarray:
    """`[h, w, in]` -> `[h', w', out]`, pixel by pixel."""
    size = kernel.shape[0]
    rows = range(0, x.shape[0] - size + 1, stride)
    columns = range(0, x.shape[1] - size + 1, stride)
    return np.array(
        [
            [np.tensordot(x[r : r + size, c : c + size], kernel, axes=3) for c in columns]
            for r in rows
        ]
    )


def test_activations_equal_a_loop_over_pixels(
    network: SimulatedNetwork, images: np.ndarray
) -> None:
    x = _convolved(images[0, :64, :64, None].astype(float), HIGH_PASS.astype(float), 1)
    x = x / (np.abs(x) + SOFT)
    for place, stride in enumerate(SHAPE.strides):
        x = _convolved(x, network.arrays[2 * place], stride) + network.arrays[2 * place + 1]
        x = np.where(x > 0, x, LEAK * x)
    found = network.activations(images[:1, :64, :64])[0]
    np.testing.assert_allclose(found, x.transpose(2, 0, 1), atol=1e-4)


def test_window_statistics_equal_a_loop_over_windows(
    network: SimulatedNetwork, images: np.ndarray
) -> None:
    """Each window pools the activations of four cells, each cut at its own phase."""
    found = network.embed(images).reshape(len(images), 9, -1)
    rows = phased_starts(80, 4, extent=20 + MARGIN)
    columns = phased_starts(96, 4, extent=24 + MARGIN)
    for y in range(3):
        for x in range(3):
            cells = [
                network.activations(images[:, r : r + 20 + MARGIN, c : c + 24 + MARGIN])
                for r in rows[y : y + 2]
                for c in columns[x : x + 2]
            ]
            pooled = np.concatenate([cell.reshape(*cell.shape[:2], -1) for cell in cells], axis=2)
            mean, variance = pooled.mean(axis=2), pooled.var(axis=2)
            expected = np.concatenate([mean, 0.5 * np.log(variance + LOG_FLOOR)], axis=1)
            np.testing.assert_allclose(found[:, 3 * y + x], expected, atol=1e-4)


def test_an_image_is_embedded_alone_as_among_others(
    network: SimulatedNetwork, images: np.ndarray
) -> None:
    together = network.embed(images)
    assert together.shape == (3, 9 * 2 * 8) and together.dtype == np.float32
    np.testing.assert_allclose(network.embed(images[1:2])[0], together[1], atol=1e-5)
    with pytest.raises(UserError, match="at least 64x64"):
        network.embed(images[:, :63])


def test_a_saved_network_is_loaded_alone_and_in_a_fusion(
    network: SimulatedNetwork, images: np.ndarray, tmp_path: Path
) -> None:
    network.save(tmp_path / "alone")
    loaded = load_extractor(tmp_path / "alone")
    np.testing.assert_allclose(loaded.embed(images), network.embed(images), atol=5e-3)
    Fusion.fit((Spectrum(grid=3, periods=(16,), threads=1), loaded), images).save(tmp_path / "f")
    both = load_extractor(tmp_path / "f").embed(images).reshape(3, 9, -1)
    part = loaded.embed(images).reshape(3, 9, -1)
    ratio = both[:, :, -part.shape[2] :] / part
    np.testing.assert_allclose(ratio, ratio[0, 0, 0], rtol=1e-4)


def test_it_answers_without_tensorflow(network: SimulatedNetwork, tmp_path: Path) -> None:
    network.save(tmp_path)
    code = (
        "import sys, numpy as np; from pathlib import Path;"
        "from ganamis.extractors.loading import load_extractor;"
        f"load_extractor(Path({str(tmp_path)!r})).embed(np.zeros((1, 64, 64), np.uint8));"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_training_resumes_to_the_same_weights_and_is_read_as_keras_computes_it(
    tmp_path: Path, images: np.ndarray
) -> None:
    worlds = [filtered_world(6, 3)]

    class Stopped(Exception):
        pass

    def stop(step: int, _: float) -> None:
        if step == 3:
            raise Stopped

    whole = Trainer(PLAN, seed=5, folder=tmp_path / "whole")
    expected = whole.run(worlds, lambda step, loss: None)
    with pytest.raises(Stopped):
        Trainer(PLAN, seed=5, folder=tmp_path / "resumed").run(worlds, stop)
    found = Trainer(PLAN, seed=5, folder=tmp_path / "resumed").run(worlds, lambda step, loss: None)
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    keras = whole.model(images[..., None].astype(np.float32)).numpy().transpose(0, 3, 1, 2)
    network = SimulatedNetwork(SHAPE, tuple(trained_arrays(whole.model)))
    np.testing.assert_allclose(network.activations(images), keras, atol=1e-3)


def test_a_batch_holds_generators_in_equal_number_and_is_seeded() -> None:
    world = filtered_world(6, 3)
    drawn = [draw_batch([world], PLAN.batch, np.random.default_rng(7)) for _ in range(2)]
    np.testing.assert_array_equal(drawn[0][0], drawn[1][0])
    pixels, labels = drawn[0]
    assert pixels.shape[0] == 8 and pixels.shape[1] in (64, 72) and pixels.dtype == np.float32
    np.testing.assert_array_equal(labels, np.repeat(np.arange(4), 2))


def test_post_processing_keeps_size_and_type() -> None:
    image = filtered_world(1, 1).images[0, 0, :70, :80]
    random = np.random.default_rng(8)
    for _ in range(60):
        processed = draw_process(random)(image, random)
        assert processed.shape == image.shape and processed.dtype == np.uint8


def test_held_out_generators_that_differ_score_one_and_equal_ones_nothing(tmp_path: Path) -> None:
    world = filtered_world(8, 10)
    alike = World(world.images[[0] * 8], world.families, world.kinds, world.content)
    spectrum = Spectrum(grid=1, periods=(16,), threads=1)
    learned = learn(spectrum, [world], dimensions=5, images=8, seed=1)
    for judged, low, high in ((world, 0.95, 1.0), (alike, -0.2, 0.2)):
        scores = held_out_score(learned, judged, conditions=("clean",), draws=2, draw=4, seed=1)
        assert low <= scores["clean"] <= high
    learned.save(tmp_path)
    images = world.images[0]
    found = load_extractor(tmp_path).embed(images)
    assert found.shape == (10, 5)
    np.testing.assert_allclose(found, learned.embed(images), atol=0.05)


def test_axes_have_unit_variance_within_and_are_scaled_by_that_between() -> None:
    random = np.random.default_rng(9)
    means = random.normal(size=(400, 1, 3)) * (3.0, 1.0, 0.1)
    features = (means + random.normal(size=(400, 12, 3))) * (2.0, 5.0, 0.3) + 7.0
    centre, axes = discriminant_axes(features, dimensions=2)
    np.testing.assert_allclose(centre, features.mean(axis=(0, 1)), atol=1e-4)
    points = (features - centre) @ axes
    within = points.var(axis=1, ddof=1).mean(axis=0)
    between = np.array([9.0, 1.0])
    np.testing.assert_allclose(within, between / (between + STEADY), rtol=0.1)
    np.testing.assert_allclose(points.mean(axis=1).var(axis=0) / within, between, rtol=0.2)
