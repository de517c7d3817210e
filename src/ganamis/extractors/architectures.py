"""The paper's six networks: gray image in, class probabilities and penultimate features out.

Architectures and preprocessing follow section 4 of Upganlawar, Lad and Desai (CEUR Vol-3740,
paper 163). Each network contains its own preprocessing, so that raw gray levels go in.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganamis.errors import UserError

if TYPE_CHECKING:
    import keras

FEATURES = "features"  # the name of the penultimate layer in every network
CAFFE_MEANS = (103.939, 116.779, 123.68)  # of ImageNet, blue-green-red, in gray levels


@dataclass(frozen=True)
class Backbone:
    """A network of keras.applications and its preprocessing, `scale * gray + offset`.

    offset: one number per channel; the three input channels all hold the same gray level.
    smallest: least input width in pixels.
    """

    scale: float
    offset: tuple[float, ...]
    smallest: int


CAFFE = tuple(-mean for mean in CAFFE_MEANS)
BACKBONES = {
    "efficientnet": Backbone(1.0, (0.0, 0.0, 0.0), 32),  # EfficientNetB0 rescales by itself
    "resnet50": Backbone(1.0, CAFFE, 32),
    "mobilenetv2": Backbone(1 / 127.5, (-1.0, -1.0, -1.0), 32),
    "vgg19": Backbone(1.0, CAFFE, 32),
    "xception": Backbone(1 / 127.5, (-1.0, -1.0, -1.0), 71),
}
CUSTOM_CNN = "custom_cnn"
NETWORKS = (CUSTOM_CNN, *BACKBONES)


def build_network(
    name: str, *, crop: int, classes: int, weights: str, dropout: float, trainable_share: float
) -> "keras.Model":
    """Build one of the six networks.

    Args:
        name: one of `NETWORKS`.
        crop: input width and height in pixels.
        classes: G, the number of labelled generators.
        weights: `imagenet`, `none` (random) or the path of a Keras weights file without the top.
        dropout: share of the penultimate features dropped while training.
        trainable_share: share of the layers, counted from the output, that training may change.

    Returns:
        A model from `[N, crop, crop, 1]` gray levels in [0, 255] to `[N, G]` probabilities; its
        layer `features` gives the penultimate activations.

    Raises:
        UserError: unknown name, an input too small, or weights that cannot be had.
    """
    if name not in NETWORKS:
        raise UserError(f"architecture '{name}' is unknown; choose one of {', '.join(NETWORKS)}")
    from keras import Model, layers

    build = _custom_cnn if name == CUSTOM_CNN else _pretrained
    inputs, features, body = build(name, crop=crop, weights=weights)
    frozen = len(body) - max(1, round(trainable_share * len(body)))
    for layer in body[:frozen]:
        layer.trainable = False
    outputs = layers.Dense(classes, activation="softmax")(layers.Dropout(dropout)(features))
    return Model(inputs, outputs, name=name)


def _custom_cnn(name: str, *, crop: int, weights: str) -> tuple[Any, Any, list[Any]]:
    """Section 4.1: four stages of two convolutions, a bottleneck, dense 256 and 64."""
    from keras import Input, Model, layers

    if weights == "imagenet":
        raise UserError("custom_cnn has no ImageNet weights; set its weights to none or a file")

    def convolutions(x: Any, filters: int) -> Any:
        for _ in range(2):
            x = layers.Conv2D(filters, 3, padding="same")(x)
            x = layers.BatchNormalization()(x)
            x = layers.ReLU()(x)
        return x

    inputs = Input((crop, crop, 1))
    x = layers.Rescaling(1 / 255)(inputs)
    for filters in (64, 128, 256, 512):
        x = layers.MaxPooling2D()(convolutions(x, filters))
    x = layers.Flatten()(convolutions(x, 1024))
    x = layers.Dense(256, activation="relu")(x)
    x = layers.Dense(64, activation="relu", name=FEATURES)(x)
    model = Model(inputs, x, name=name)
    if weights != "none":
        _load_file(model, weights)
    return inputs, x, model.layers[1:]


def _pretrained(name: str, *, crop: int, weights: str) -> tuple[Any, Any, list[Any]]:
    """Section 4.2: a pre-trained network without its classification layer."""
    from keras import Input, layers

    backbone = BACKBONES[name]
    if crop < backbone.smallest:
        raise UserError(
            f"{name}: crop is {crop} pixels, its least input is {backbone.smallest}; raise "
            f"extractors.{name}.crop in params.yaml"
        )
    inputs = Input((crop, crop, 1))
    x = layers.Concatenate()([inputs, inputs, inputs])
    x = layers.Rescaling(backbone.scale, backbone.offset)(x)
    body = _body(name, crop=crop, weights=weights)
    return inputs, layers.GlobalAveragePooling2D(name=FEATURES)(body(x)), body.layers


def _body(name: str, *, crop: int, weights: str) -> "keras.Model":
    from keras import applications

    constructors: dict[str, Callable[..., keras.Model]] = {
        "efficientnet": applications.EfficientNetB0,
        "resnet50": applications.ResNet50,
        "mobilenetv2": applications.MobileNetV2,
        "vgg19": applications.VGG19,
        "xception": applications.Xception,
    }
    shape = (crop, crop, 3)
    if weights == "imagenet":
        try:
            return constructors[name](include_top=False, weights="imagenet", input_shape=shape)
        except Exception as error:  # Keras raises a bare Exception for a failed download
            raise UserError(
                f"ImageNet weights of {name} could not be fetched ({error}); connect to the "
                "internet, or set `weights` to `none` or to a local weights file"
            ) from error
    model = constructors[name](include_top=False, weights=None, input_shape=shape)
    if weights != "none":
        _load_file(model, weights)
    return model


def _load_file(model: "keras.Model", path: str) -> None:
    if not Path(path).is_file():
        raise UserError(
            f"weights '{path}' is not a file; expected imagenet, none or a .weights.h5 file"
        )
    try:
        model.load_weights(path)
    except (ValueError, OSError, KeyError) as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise UserError(f"weights '{path}' do not fit {model.name}: {reason}") from error
