"""A stand-in for the paper's networks that is quick to train."""

import keras
from keras import layers

from ganamis.extractors.architectures import FEATURES


def small_network(
    name: str, *, crop: int, classes: int, weights: str, dropout: float, trainable_share: float
) -> keras.Model:
    """A network with all that makes training depend on history, small enough to be quick."""
    inputs = keras.Input((crop, crop, 1))
    x = layers.Conv2D(8, 3, strides=2)(layers.Rescaling(1 / 255)(inputs))
    x = layers.Dropout(0.3)(layers.ReLU()(layers.BatchNormalization()(x)))
    x = layers.Dense(16, activation="relu", name=FEATURES)(layers.Flatten()(x))
    outputs = layers.Dense(classes, activation="softmax")(layers.Dropout(dropout)(x))
    return keras.Model(inputs, outputs, name=name)
