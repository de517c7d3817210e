"""The paper's six networks, layer by layer, and the weights they can be given."""

from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import numpy as np
import pytest
from keras import applications, layers

from ganamis.errors import UserError
from ganamis.extractors import architectures
from ganamis.extractors.architectures import (
    BACKBONES,
    FEATURES,
    NETWORKS,
    build_network,
    build_trunk,
    depths,
    set_momentum,
)

# Keras's own conversion of TensorFlow variables under NumPy 2.
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)

# Parameters without the top and width of the pooled features, as Keras documents them.
PUBLISHED = [
    ("efficientnet", applications.efficientnet, 4_049_571, 1280),
    ("resnet50", applications.resnet50, 23_587_712, 2048),
    ("mobilenetv2", applications.mobilenet_v2, 2_257_984, 1280),
    ("vgg19", applications.vgg19, 20_024_384, 512),
    ("xception", applications.xception, 20_861_480, 2048),
]


def build(name: str, *, weights: str = "none", crop: int = 32, **changes: Any) -> keras.Model:
    settings: dict[str, Any] = {"classes": 3, "dropout": 0.25, "trainable_share": 1.0}
    return build_network(name, crop=crop, weights=weights, **{**settings, **changes})


def refusal(name: str, **settings: Any) -> str:
    with pytest.raises(UserError) as refused:
        build(name, **settings)
    return str(refused.value)


def kind(layer: keras.Layer) -> tuple[Any, ...]:
    """A layer in the words of the paper."""
    if isinstance(layer, layers.Conv2D):
        assert layer.kernel_size == (3, 3)
        return ("convolution", layer.filters)
    if isinstance(layer, layers.Dense):
        return ("dense", layer.units, layer.activation.__name__)
    return (type(layer).__name__,)


@pytest.fixture(scope="module")
def custom() -> keras.Model:
    return build("custom_cnn")


def test_custom_cnn_is_that_of_section_4_1(custom: keras.Model) -> None:
    def pair(filters: int) -> list[tuple[Any, ...]]:
        return [("convolution", filters), ("BatchNormalization",), ("ReLU",)] * 2

    stages = [x for filters in (64, 128, 256, 512) for x in [*pair(filters), ("MaxPooling2D",)]]
    whole = [("InputLayer",), ("Functional",), ("Identity",), ("Dropout",), ("dense", 3, "softmax")]
    assert [kind(layer) for layer in custom.layers] == whole
    body = custom.layers[1]
    assert [kind(layer) for layer in body.layers] == [
        ("InputLayer",),
        ("Rescaling",),
        *stages,
        *pair(1024),
        ("Flatten",),
        ("dense", 256, "relu"),
        ("dense", 64, "relu"),
    ]
    assert custom.input_shape == (None, 32, 32, 1)
    assert custom.get_layer(FEATURES).output.shape == (None, 64)
    pools = [layer for layer in body.layers if isinstance(layer, layers.MaxPooling2D)]
    assert [pool.output.shape[1] for pool in pools] == [16, 8, 4, 2]
    grays = np.array([0.0, 51.0, 255.0], dtype=np.float32)
    np.testing.assert_allclose(body.layers[1](grays), [0, 0.2, 1], rtol=1e-6)


@pytest.mark.parametrize(("name", "module", "parameters", "width"), PUBLISHED)
def test_backbone_is_the_published_one_with_its_own_preprocessing(
    name: str, module: ModuleType, parameters: int, width: int
) -> None:
    crop = BACKBONES[name].smallest
    model = build(name, crop=crop)
    (body,) = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    assert body.count_params() == parameters
    assert model.input_shape == (None, crop, crop, 1)
    assert model.get_layer(FEATURES).output.shape == (None, width)
    tail = [kind(layer) for layer in model.layers[-4:]]
    assert tail == [
        ("GlobalAveragePooling2D",),
        ("Identity",),
        ("Dropout",),
        ("dense", 3, "softmax"),
    ]

    gray = np.linspace(0, 255, crop * crop, dtype=np.float32).reshape(1, crop, crop, 1)
    replicated = np.repeat(gray, 3, axis=3)
    rescaling = next(layer for layer in model.layers if isinstance(layer, layers.Rescaling))
    prepared = keras.Model(model.input, rescaling.output)(gray)
    oracle = module.preprocess_input(replicated.copy())
    np.testing.assert_allclose(prepared, oracle, rtol=1e-5, atol=1e-4)


def test_efficientnet_rescales_by_itself() -> None:
    body = applications.EfficientNetB0(include_top=False, weights=None, input_shape=(32, 32, 3))
    first = next(layer for layer in body.layers if isinstance(layer, layers.Rescaling))
    assert first.scale == pytest.approx(1 / 255)
    assert BACKBONES["efficientnet"].scale == 1.0


def test_share_of_trainable_layers_is_counted_from_the_output(custom: keras.Model) -> None:
    body = custom.layers[1].layers
    for share, count in ((0.5, round(0.5 * len(body))), (0.01, 1)):
        model = build("custom_cnn", trainable_share=share)
        flags = [layer.trainable for layer in model.layers[1].layers]
        assert flags == [False] * (len(body) - count) + [True] * count
        assert model.layers[-1].trainable
    assert all(layer.trainable for layer in body)


def test_efficientnet_divides_by_the_root_deviation_whoever_fetched_its_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keras builds one more layer for `imagenet`; a file of the same weights must give the same."""
    published = applications.efficientnet
    mean, deviation = [0.485, 0.456, 0.406], np.array([0.229, 0.224, 0.225])
    body = applications.EfficientNetB0(include_top=False, weights=None, input_shape=(32, 32, 3))
    (normalisation,) = (x for x in body.layers if isinstance(x, layers.Normalization))
    normalisation.adapt_mean.assign(mean)
    normalisation.adapt_variance.assign(deviation**2)
    normalisation.finalize_state()
    path = tmp_path / "efficientnet.weights.h5"
    body.save_weights(path)

    from keras.src.applications import efficientnet

    monkeypatch.setattr(efficientnet.file_utils, "get_file", lambda *args, **settings: str(path))
    fetched = published.EfficientNetB0(
        include_top=False, weights="imagenet", input_shape=(32, 32, 3)
    )
    ours = architectures._body("efficientnet", size=32, weights=str(path))
    pixels = np.random.default_rng(0).uniform(0, 255, (1, 32, 32, 3)).astype(np.float32)
    before = [keras.Model(x.input, x.get_layer("stem_conv_pad").input) for x in (fetched, ours)]
    expected, found = (model(pixels).numpy() for model in before)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NETWORKS)
def test_trunk_reads_residuals_at_the_first_depth_and_not_content(name: str) -> None:
    """Gray levels shifted by a constant, and ramps, leave a second difference of zero."""
    depth = min(depths(name))
    model = build_trunk(name, crop=32, depth=depth, weights="none")
    pixels = np.random.default_rng(0).integers(20, 120, (1, 32, 32, 1)).astype(np.float32)
    ramp = np.arange(32, dtype=np.float32)[None, :, None, None]
    features = model.predict_on_batch(np.concatenate([pixels, pixels + 100 + 2 * ramp]))
    assert np.ptp(features[0]) > 0
    np.testing.assert_allclose(features[1], features[0], rtol=1e-3, atol=1e-3)
    (trunk,) = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    channels = trunk.outputs[0].shape[-1]
    assert features.shape == (2, 2 * channels)
    side = trunk([np.zeros((1, 64, 64, 3), np.float32)])[0].shape[1]
    assert abs(side - 64 / depth) <= 1.5


def test_mean_and_deviation_are_those_of_the_activations() -> None:
    model = build_trunk("mobilenetv2", crop=32, depth=4, weights="none")
    (trunk,) = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 1)).astype(np.float32)
    prepared = [layer for layer in model.layers if isinstance(layer, layers.Rescaling)][-1]
    between = keras.Model(model.inputs, trunk(prepared.output))
    activations = between.predict_on_batch(pixels)
    expected = np.concatenate([activations.mean((1, 2)), activations.std((1, 2))], axis=1)
    np.testing.assert_allclose(model.predict_on_batch(pixels), expected, atol=2e-3)


def test_momentum_reaches_every_normalisation() -> None:
    model = build("mobilenetv2")
    set_momentum(model, 0.9)
    body = next(layer for layer in model.layers if isinstance(layer, keras.Model))
    found = [x.momentum for x in body.layers if isinstance(x, layers.BatchNormalization)]
    assert len(found) == 52 and set(found) == {0.9}


# Keras's word on each part that a file of another network lacks, before it refuses the file.
@pytest.mark.filterwarnings("ignore:Skipping nested container:UserWarning")
def test_weights_file_loads_into_its_network_and_no_other(
    tmp_path: Path, custom: keras.Model
) -> None:
    path = tmp_path / "own.weights.h5"
    body = custom.layers[1]
    body.save_weights(path)
    crops = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 1)).astype(np.float32)
    loaded = build("custom_cnn", weights=str(path), classes=5)
    features = keras.Model(loaded.inputs, loaded.get_layer(FEATURES).output)
    np.testing.assert_array_equal(features.predict_on_batch(crops), body.predict_on_batch(crops))

    message = refusal("mobilenetv2", weights=str(path))
    assert message.startswith(f"weights '{path}' do not fit mobilenetv2")


@pytest.mark.parametrize("name", ["own.weights.h5", "own.txt"])
def test_file_that_holds_no_weights_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("not weights")
    message = refusal("custom_cnn", weights=str(tmp_path / name))
    assert message.startswith(f"weights '{tmp_path / name}' do not fit custom_cnn: ")


def test_failed_download_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    from keras.src.applications import mobilenet_v2

    def offline(*args: Any, **settings: Any) -> str:
        raise Exception("URL fetch failure on https://example.org: None -- unreachable")

    monkeypatch.setattr(mobilenet_v2.file_utils, "get_file", offline)
    assert refusal("mobilenetv2", weights="imagenet", crop=96) == (
        "ImageNet weights of mobilenetv2 could not be fetched (URL fetch failure on "
        "https://example.org: None -- unreachable); connect to the internet, or set `weights` "
        "to `none` or to a local weights file"
    )


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        (
            "alexnet",
            {},
            f"architecture 'alexnet' is unknown; choose one of {', '.join(NETWORKS)}",
        ),
        (
            "xception",
            {"crop": 70},
            "xception: crop is 70 pixels, its least input is 71; raise "
            "extractors.xception_paper.crop in params.yaml",
        ),
        (
            "custom_cnn",
            {"weights": "imagenet"},
            "custom_cnn has no ImageNet weights; set its weights to none or a file",
        ),
        (
            "custom_cnn",
            {"weights": "gone.weights.h5"},
            "weights 'gone.weights.h5' is not a file; expected imagenet, none or a .weights.h5 "
            "file",
        ),
    ],
    ids=["unknown name", "crop too small", "no ImageNet weights", "missing file"],
)
def test_bad_request_is_refused(name: str, settings: dict[str, Any], message: str) -> None:
    assert refusal(name, **settings) == message
