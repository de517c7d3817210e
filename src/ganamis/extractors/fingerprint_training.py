"""Train the first layers of one of the six networks on residuals, for the fingerprint alone.

What the paper's recipe loses is kept here: pixels at native resolution, the residual instead of
the content, and a read-out where activations still see a few pixels. Degraded copies stand beside
the images, so that what post-processing does is learned to be no difference.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ganamis.data.degradations import MIX, degrade
from ganamis.extractors.architectures import build_trunk, set_momentum
from ganamis.extractors.crops import balanced_crops
from ganamis.extractors.exported import export
from ganamis.extractors.network import NetworkExtractor
from ganamis.extractors.residual_network import contrastive_loss
from ganamis.extractors.training import seeing, settle
from ganamis.params import Fingerprint, FingerprintValues

CONTRASTIVE = "contrastive"
PROJECTION = 64  # dimensions in which the contrastive loss compares
SETTLING_STEPS = 20  # of batch normalisation's averages after training
IMAGES_AT_ONCE = 8  # whose views are embedded together


@dataclass(frozen=True)
class _Compiled:
    """A network with its head, its compiled steps and its initial state."""

    model: Any
    see: Any
    variables: list[Any]
    initial: list[np.ndarray]
    optimizer: Any
    step: Any


@dataclass
class FingerprintTrainer:
    """Fits one architecture; keeps the compiled network so that folds of a trial share it."""

    name: str
    weights: str
    numbers: Fingerprint
    seed: int
    _compiled: dict[Any, _Compiled] = field(default_factory=dict, repr=False)

    def fit(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        values: FingerprintValues,
        *,
        classes: int,
        steps: int,
        views: int,
    ) -> NetworkExtractor:
        """Train for `steps` from the initial weights.

        Args:
            images: `[N, H, W]` uint8. labels: `[N]` int below `classes`; one that never occurs
                costs nothing, and lets folds share a compiled network. views: crops of an image
                that are embedded.
        """
        import tensorflow as tf

        compiled = self._fresh(values, classes=classes)
        random = np.random.default_rng(self.seed)
        copies = [images, images, *(degrade(images, MIX, seed=self.seed + i) for i in (0, 1))]

        def batch() -> tuple[Any, Any]:
            pixels, chosen = balanced_crops(
                copies,
                labels,
                crop=values.crop,
                each=self.numbers.generators_share,
                random=random,
            )
            return tf.constant(pixels), tf.constant(chosen)

        for _ in range(steps):
            compiled.step(*batch())
        settle(compiled.model, compiled.see, (batch()[0] for _ in range(SETTLING_STEPS)))
        network = export(compiled.model, batch=IMAGES_AT_ONCE * views)
        return NetworkExtractor(network, crop=values.crop, views=views)

    def _fresh(self, values: FingerprintValues, *, classes: int) -> _Compiled:
        """The compiled network with its initial weights and an optimizer without memory."""
        key = (values.depth, values.crop, values.loss, classes)
        if key not in self._compiled:
            self._compiled[key] = self._compile(values, classes=classes)
        compiled = self._compiled[key]
        for variable, value in zip(compiled.variables, compiled.initial, strict=True):
            variable.assign(value)
        compiled.optimizer.learning_rate.assign(values.learning_rate)
        return compiled

    def _compile(self, values: FingerprintValues, *, classes: int) -> _Compiled:
        import keras
        import tensorflow as tf

        keras.utils.set_random_seed(self.seed)
        model = build_trunk(self.name, crop=values.crop, depth=values.depth, weights=self.weights)
        set_momentum(model, self.numbers.momentum)
        contrastive = values.loss == CONTRASTIVE
        head = keras.Sequential(
            [
                keras.Input(model.output_shape[1:]),
                keras.layers.BatchNormalization(momentum=self.numbers.momentum),
                keras.layers.Dense(PROJECTION if contrastive else classes),
            ]
        )
        trained = model.trainable_variables + head.trainable_variables
        optimizer = keras.optimizers.Adam(values.learning_rate)
        optimizer.build(trained)

        def loss(projected: Any, labels: Any) -> Any:
            if contrastive:
                unit = tf.math.l2_normalize(projected, axis=1)
                return contrastive_loss(unit, labels, temperature=self.numbers.temperature)
            return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, projected))

        crop = values.crop
        signature = (
            tf.TensorSpec((None, crop, crop, 1), tf.float32),
            tf.TensorSpec((None,), tf.int64),
        )

        @tf.function(input_signature=signature, jit_compile=False)
        def step(pixels: Any, labels: Any) -> None:
            with tf.GradientTape() as tape:
                value = loss(head(model(pixels, training=True), training=True), labels)
            gradients = tape.gradient(value, trained)
            optimizer.apply_gradients(zip(gradients, trained, strict=True))

        variables = [*model.variables, *head.variables, *optimizer.variables]
        initial = [np.array(variable) for variable in variables]
        return _Compiled(model, seeing(model), variables, initial, optimizer, step)
