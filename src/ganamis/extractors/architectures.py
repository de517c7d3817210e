"""The paper's six networks, whole for its recipe and cut off early for fingerprints.

Architectures and preprocessing follow section 4 of Upganlawar, Lad and Desai (CEUR Vol-3740,
paper 163). Each network contains its own preprocessing, so that raw gray levels go in.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ganamis.errors import UserError
from ganamis.extractors.pretrained import SIMULATED, read_pretrained
from ganamis.extractors.residual_network import HIGH_PASS, RESIDUAL_SCALE

if TYPE_CHECKING:
    import keras

FEATURES = "features"  # the name of the penultimate layer in every network
CAFFE_MEANS = (103.939, 116.779, 123.68)  # of ImageNet, blue-green-red, in gray levels
READ = "read"  # the name of the layers up to the deepest reading
VARIANCE_FLOOR = 1e-6  # of activations that do not vary, where a root has no derivative


@dataclass(frozen=True)
class Backbone:
    """A network of keras.applications and its preprocessing, `scale * gray + offset`.

    offset: one number per channel; the three input channels all hold the same gray level.
    smallest: least input width in pixels.
    depths: stride in pixels to the name of the activation that is read there.
    """

    scale: float
    offset: tuple[float, ...]
    smallest: int
    depths: Mapping[int, str]


CAFFE = tuple(-mean for mean in CAFFE_MEANS)
SIGNED = (-1.0, -1.0, -1.0)
BACKBONES = {
    "efficientnet": Backbone(  # rescales by itself
        1.0,
        (0.0, 0.0, 0.0),
        32,
        {
            4: "block3a_expand_activation",
            8: "block4a_expand_activation",
            16: "block6a_expand_activation",
        },
    ),
    "resnet50": Backbone(
        1.0, CAFFE, 32, {4: "conv2_block2_out", 8: "conv3_block2_out", 16: "conv4_block2_out"}
    ),
    "mobilenetv2": Backbone(
        1 / 127.5,
        SIGNED,
        32,
        {4: "block_3_expand_relu", 8: "block_6_expand_relu", 16: "block_13_expand_relu"},
    ),
    "vgg19": Backbone(
        1.0,
        CAFFE,
        32,
        {2: "block2_conv2", 4: "block3_conv2", 8: "block4_conv2", 16: "block5_conv2"},
    ),
    "xception": Backbone(
        1 / 127.5,
        SIGNED,
        71,
        {4: "block3_sepconv2_act", 8: "block4_sepconv2_act", 16: "block5_sepconv3_act"},
    ),
}
CUSTOM_CNN = "custom_cnn"
NO_IMAGENET = "custom_cnn has no ImageNet weights; set its weights to none or a file"
NOT_WHOLE = (
    "{name}: weights 'simulated' are those of its first layers on residuals; set them for its "
    "recipe `fingerprint`, and imagenet, none or a file for `paper`"
)
CUSTOM_DEPTHS = {2: "stage2_relu2", 4: "stage3_relu2", 8: "stage4_relu2", 16: "stage5_relu2"}
NETWORKS = (CUSTOM_CNN, *BACKBONES)


def depths(name: str) -> Mapping[int, str]:
    """The strides, in pixels, at which network `name` can be read, and the layers."""
    return CUSTOM_DEPTHS if name == CUSTOM_CNN else BACKBONES[name].depths


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
    if weights == SIMULATED:
        raise UserError(NOT_WHOLE.format(name=name))
    from keras import Input, Model, layers

    inputs = Input((crop, crop, 1))
    if name == CUSTOM_CNN:
        body = _custom_cnn(crop=crop, weights=weights)
        features = body(inputs)
    else:
        _check_size(name, crop)
        body = _body(name, size=crop, weights=weights)
        features = layers.GlobalAveragePooling2D()(body(_prepared(name, inputs)))
    frozen = len(body.layers) - max(1, round(trainable_share * len(body.layers)))
    for layer in body.layers[:frozen]:
        layer.trainable = False
    features = layers.Identity(name=FEATURES)(features)
    outputs = layers.Dense(classes, activation="softmax")(layers.Dropout(dropout)(features))
    return Model(inputs, outputs, name=name)


def build_trunk(name: str, *, crop: int, depth: int, weights: str) -> "keras.Model":
    """The layers of one of the six networks on high-pass residuals, up to a stride of `depth`.

    Returns:
        A model from `[N, crop, crop, 1]` gray levels to `[N, 2 * C]`: mean and standard deviation
        of the C activations over the crop. Otherwise as `build_readings`.
    """
    from keras import Model

    model = build_readings(name, crop=crop, at=(depth,), weights=weights)
    return Model(model.input, model.outputs[0], name=f"{name}_{depth}")


def build_readings(name: str, *, crop: int, at: Sequence[int], weights: str) -> "keras.Model":
    """One of the six networks on high-pass residuals, read at several strides.

    The three residuals of an image, compressed by a hyperbolic tangent and shifted to gray levels,
    are the three channels of the input.

    Args:
        crop: input width and height in pixels.
        at: some of `depths(name)`.
        weights: as for `build_network`, or `simulated`: what comes with the package, taught on
            the residuals of simulated generators.

    Returns:
        A model from `[N, crop, crop, 1]` gray levels to one output `[N, 2 * C]` for each stride:
        mean and standard deviation of its C activations over the crop.
    """
    from keras import Input, Model, layers, ops

    for depth in at:
        if depth not in depths(name):
            raise UserError(f"{name} is read at strides {list(depths(name))}, not {depth}")
    pixels = Input((crop, crop, 1))
    high_pass = layers.Conv2D(3, 3, use_bias=False, trainable=False, name="high_pass")
    residuals = layers.Rescaling(127.5, 127.5)(layers.Activation("tanh")(high_pass(pixels)))
    high_pass.set_weights([HIGH_PASS / RESIDUAL_SCALE])
    if name != CUSTOM_CNN:
        residuals = _prepared(name, residuals)
    simulated = weights == SIMULATED
    body = _body(name, size=None, weights="none" if simulated else weights)
    if simulated:
        taught, arrays = read_pretrained(name, deepest=max(at))
        Model(body.inputs, body.get_layer(depths(name)[taught]).output).set_weights(arrays)
    reads = [body.get_layer(depths(name)[depth]).output for depth in at]
    outputs = []
    for activations in Model(body.inputs, reads, name=READ)([residuals]):
        mean = ops.mean(activations, axis=(1, 2))
        deviation = ops.sqrt(ops.var(activations, axis=(1, 2)) + VARIANCE_FLOOR)
        outputs.append(ops.concatenate([mean, deviation], axis=1))
    return Model(pixels, outputs, name=f"{name}_readings")


def normalisations(model: "keras.Model") -> "Iterator[keras.layers.BatchNormalization]":
    """The layers of batch normalisation, those of inner models too."""
    from keras import Model, layers

    for layer in model.layers:
        if isinstance(layer, Model):
            yield from normalisations(layer)
        elif isinstance(layer, layers.BatchNormalization):
            yield layer


def set_momentum(model: "keras.Model", momentum: float) -> None:
    """Let batch normalisation's moving averages forget at the rate `momentum`."""
    for layer in normalisations(model):
        layer.momentum = momentum


def _custom_cnn(*, crop: int, weights: str) -> "keras.Model":
    """Section 4.1: four stages of two convolutions, a bottleneck, dense 256 and 64."""
    from keras import Input, Model, layers

    if weights == "imagenet":
        raise UserError(NO_IMAGENET)
    inputs = Input((crop, crop, 1))
    x = layers.Flatten()(_custom_convolutions(inputs))
    x = layers.Dense(256, activation="relu")(x)
    x = layers.Dense(64, activation="relu")(x)
    model = Model(inputs, x, name=CUSTOM_CNN)
    if weights != "none":
        _load_file(model, weights)
    return model


def _custom_convolutions(inputs: Any) -> Any:
    from keras import layers

    x = layers.Rescaling(1 / 255)(inputs)
    for stage, filters in enumerate((64, 128, 256, 512, 1024), start=1):
        for number in (1, 2):
            x = layers.Conv2D(filters, 3, padding="same")(x)
            x = layers.BatchNormalization()(x)
            x = layers.ReLU(name=f"stage{stage}_relu{number}")(x)
        if filters < 1024:
            x = layers.MaxPooling2D()(x)
    return x


def _check_size(name: str, crop: int) -> None:
    smallest = BACKBONES[name].smallest
    if crop < smallest:
        raise UserError(
            f"{name}: crop is {crop} pixels, its least input is {smallest}; raise "
            f"extractors.{name}_paper.crop in params.yaml"
        )


def _prepared(name: str, pixels: Any) -> Any:
    """Gray levels `[N, H, W, 1 or 3]` as the published preprocessing leaves them."""
    from keras import layers

    if pixels.shape[-1] == 1:
        pixels = layers.Concatenate()([pixels, pixels, pixels])
    backbone = BACKBONES[name]
    return layers.Rescaling(backbone.scale, backbone.offset)(pixels)


def _body(name: str, *, size: int | None, weights: str) -> "keras.Model":
    """Section 4.2: a pre-trained network without its classification layer; custom_cnn's stages."""
    from keras import Input, Model, applications

    constructors: dict[str, Callable[..., keras.Model]] = {
        "efficientnet": applications.EfficientNetB0,
        "resnet50": applications.ResNet50,
        "mobilenetv2": applications.MobileNetV2,
        "vgg19": applications.VGG19,
        "xception": applications.Xception,
    }
    shape = (size, size, 3)
    if weights == "imagenet":
        if name == CUSTOM_CNN:
            raise UserError(NO_IMAGENET)
        try:
            return constructors[name](include_top=False, weights="imagenet", input_shape=shape)
        except Exception as error:  # Keras raises a bare Exception for a failed download
            raise UserError(
                f"ImageNet weights of {name} could not be fetched ({error}); connect to the "
                "internet, or set `weights` to `none` or to a local weights file"
            ) from error
    if name == CUSTOM_CNN:
        inputs = Input(shape)
        model = Model(inputs, _custom_convolutions(inputs), name=CUSTOM_CNN)
    else:
        model = constructors[name](include_top=False, weights=None, input_shape=shape)
    if weights != "none":
        _load_file(model, weights)
        if name == "efficientnet":
            _divide_by_root_deviation(model)
    return model


def _divide_by_root_deviation(model: "keras.Model") -> None:
    """EfficientNet's input normalisation as its ImageNet weights were trained.

    Keras divides once more by the root of the deviation, in a layer that it adds for
    `weights="imagenet"` alone (TensorFlow issue 49930). A weights file brings the variance; its
    3/2 power in the same place is the same division. Of random weights the variance is 1.
    """
    from keras import layers

    for layer in model.layers:
        if isinstance(layer, layers.Normalization):
            layer.adapt_variance.assign(np.asarray(layer.adapt_variance) ** 1.5)
            layer.finalize_state()


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
