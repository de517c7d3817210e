"""Train one of the six networks by the paper's recipe: short fits for the search, a resumable one
for the result.
"""

import csv
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ganamis.extractors.architectures import (
    FEATURES,
    build_network,
    normalisations,
    set_momentum,
)
from ganamis.extractors.crops import take_views, training_batches
from ganamis.extractors.exported import export
from ganamis.extractors.network import NetworkExtractor
from ganamis.files import resuming, whole_lines
from ganamis.params import Hyperparameters, PaperNetwork, Training

if TYPE_CHECKING:
    import keras

LOG_FILE, BEST_FILE = "logs/epochs.csv", "best.weights.h5"
SETTLING_MOMENTUM = 0.9
SETTLING_EPOCHS = 2  # of batch normalisation's averages after training
VIEWS = 1  # the crop in the middle of an image; in the paper, the image


@dataclass
class NetworkTrainer:
    """Fits one architecture; keeps the compiled network so that folds of a trial share it."""

    name: str
    network: PaperNetwork
    training: Training
    seed: int
    _compiled: tuple[Any, ...] | None = field(default=None, repr=False)
    _seeing: tuple[Any, Any] = field(default=(None, None), repr=False)

    def fit(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        values: Hyperparameters,
        *,
        classes: int,
        epochs: int,
    ) -> NetworkExtractor:
        """Train from the initial weights for `epochs`, without validation.

        Args:
            images: `[N, H, W]` uint8. labels: `[N]` int below `classes`; one that never occurs
                costs nothing, and lets folds share a compiled network.
        """
        model = self._fresh(values, classes=classes)
        model.fit(
            self._stream(images, labels, values, epochs=range(epochs)),
            steps_per_epoch=-(-len(images) // self.training.batch_size),
            epochs=epochs,
            shuffle=False,
            verbose=0,
        )
        return self._extractor(model, images, labels, values)

    def fit_final(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        values: Hyperparameters,
        *,
        held_out: np.ndarray,
        folder: Path,
    ) -> NetworkExtractor:
        """Train as the paper does: best checkpoint by validation loss, early stopping, CSV log.

        Interrupted training goes on from its last finished epoch in `folder`, with the result
        that uninterrupted training would have had.

        Args:
            images: `[N, H, W]` uint8. labels: `[N]` int in 0 .. G - 1. held_out: `[N]` bool, the
                images that tell when to stop and are not trained on.
        """
        import keras

        (folder / LOG_FILE).parent.mkdir(parents=True, exist_ok=True)
        history = _finished_epochs(folder)
        if history:
            stored = _epoch_file(folder, len(history) - 1)
            with resuming(folder, what="the training"):
                model = keras.saving.load_model(stored)
        else:
            model = self._fresh(values, classes=int(labels.max()) + 1)
        if not _stopped_early(history, patience=self.training.patience):
            self._continue(model, images, labels, held_out, values, history, folder)
        with resuming(folder, what="the training"):
            model.load_weights(folder / BEST_FILE)
        return self._extractor(model, images[~held_out], labels[~held_out], values)

    def _continue(
        self,
        model: "keras.Model",
        images: np.ndarray,
        labels: np.ndarray,
        held_out: np.ndarray,
        values: Hyperparameters,
        history: list[float],
        folder: Path,
    ) -> None:
        import keras

        start, epochs = len(history), self.training.epochs
        validation = take_views(images[held_out], self.network.crop, VIEWS), labels[held_out]
        model.fit(
            self._stream(images[~held_out], labels[~held_out], values, epochs=range(start, epochs)),
            steps_per_epoch=-(-int((~held_out).sum()) // self.training.batch_size),
            initial_epoch=start,
            epochs=epochs,
            shuffle=False,
            validation_data=validation,
            callbacks=[
                keras.callbacks.ModelCheckpoint(
                    folder / BEST_FILE,
                    monitor="val_loss",
                    save_best_only=True,
                    save_weights_only=True,
                    initial_value_threshold=min(history, default=None),
                ),
                keras.callbacks.TensorBoard(folder / "logs" / "tensorboard", write_graph=False),
                _EpochLog(
                    folder, history=history, patience=self.training.patience, seed=self.seed
                ).callback(),
            ],
            verbose=0,
        )

    def _fresh(self, values: Hyperparameters, *, classes: int) -> "keras.Model":
        """The compiled network with its initial weights and an optimizer without memory."""
        import keras

        key = (values, classes)
        if self._compiled is None or self._compiled[0] != key:
            keras.utils.set_random_seed(self.seed)
            model = build_network(
                self.name,
                crop=self.network.crop,
                classes=classes,
                weights=self.network.weights,
                dropout=values.dropout,
                trainable_share=values.trainable_share,
            )
            set_momentum(model, self.training.momentum)
            model.compile(
                optimizer=keras.optimizers.AdamW(
                    learning_rate=values.learning_rate, weight_decay=values.weight_decay
                ),
                loss="sparse_categorical_crossentropy",
                metrics=["accuracy"],
                jit_compile=False,
            )
            model.optimizer.build(model.trainable_variables)
            variables = [*model.variables, *model.optimizer.variables]
            initial = [np.array(variable) for variable in variables]
            self._compiled = (key, model, variables, initial)
        _, model, variables, initial = self._compiled
        for variable, value in zip(variables, initial, strict=True):
            variable.assign(value)
        return model

    def _stream(
        self, images: np.ndarray, labels: np.ndarray, values: Hyperparameters, *, epochs: range
    ) -> Any:
        import tensorflow as tf

        crop = self.network.crop

        def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
            return training_batches(
                images,
                labels,
                crop=crop,
                batch_size=self.training.batch_size,
                augmentation=values.augmentation,
                seed=self.seed,
                epochs=epochs,
            )

        signature = (
            tf.TensorSpec((None, crop, crop, 1), tf.float32),
            tf.TensorSpec((None,), tf.int64),
        )
        return tf.data.Dataset.from_generator(batches, output_signature=signature).prefetch(2)

    def _extractor(
        self, model: "keras.Model", images: np.ndarray, labels: np.ndarray, values: Hyperparameters
    ) -> NetworkExtractor:
        """The penultimate layer of a network trained on these images."""
        import keras

        epochs = range(SETTLING_EPOCHS)
        if self._seeing[0] is not model:
            self._seeing = (model, seeing(model))
        batches = (crops for crops, _ in self._stream(images, labels, values, epochs=epochs))
        settle(model, self._seeing[1], batches)
        features = keras.Model(model.inputs, model.get_layer(FEATURES).output)
        network = export(features, batch=2 * self.training.batch_size)
        return NetworkExtractor(network, crop=self.network.crop, views=VIEWS)


def seeing(model: "keras.Model") -> Callable[[Any], None]:
    """A compiled forward pass as in training, which moves the moving averages and nothing else."""
    import tensorflow as tf

    @tf.function(jit_compile=False, reduce_retracing=True)
    def see(pixels: Any) -> None:
        model(pixels, training=True)

    return see


def settle(model: "keras.Model", see: Callable[[Any], None], batches: Iterable[Any]) -> None:
    """Let batch normalisation's moving averages take the trained network's statistics.

    After a few hundred steps they still hold some of what earlier weights, and the initial ones,
    made of the images, and inference would see another scale than training did. While they settle
    they forget fast, whatever they did in training: at a momentum of .99 a hundred batches would
    leave a third of what was.

    Args:
        see: of `seeing(model)`, which is compiled once for all that share the model.
        batches: what it was trained on, `[B, crop, crop, 1]` gray levels.
    """
    averaging = list(normalisations(model))
    momenta = [layer.momentum for layer in averaging]
    set_momentum(model, SETTLING_MOMENTUM)
    for batch in batches:
        see(batch)
    for layer, momentum in zip(averaging, momenta, strict=True):
        layer.momentum = momentum


@dataclass
class _EpochLog:
    """Writes the model, then the epoch's line: a line in the log means a model to resume from."""

    folder: Path
    history: list[float]
    patience: int
    seed: int

    def callback(self) -> "keras.callbacks.Callback":
        import keras

        log = self

        class EpochLog(keras.callbacks.Callback):
            def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
                _seed_dropout(self.model, seed=log.seed, epoch=epoch)

            def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
                log.record(self.model, epoch, logs or {})

        return EpochLog()

    def record(self, model: "keras.Model", epoch: int, logs: dict[str, float]) -> None:
        """Save the epoch's model, log the epoch, and stop training that no longer improves."""
        model.save(_epoch_file(self.folder, epoch))
        path = self.folder / LOG_FILE
        new = not path.exists() or not path.stat().st_size
        with path.open("a", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, ["epoch", *sorted(logs)])
            if new:
                writer.writeheader()
            writer.writerow({"epoch": epoch, **logs})
        _epoch_file(self.folder, epoch - 1).unlink(missing_ok=True)
        self.history.append(logs["val_loss"])
        listing = ", ".join(f"{name} {value:.4f}" for name, value in sorted(logs.items()))
        print(f"Epoch {epoch + 1}: {listing}", flush=True)
        if _stopped_early(self.history, patience=self.patience):
            model.stop_training = True


def _seed_dropout(model: "keras.Model", *, seed: int, epoch: int) -> None:
    """Dropout follows from (seed, epoch), as crops do: a saved model forgets its random state."""
    states = [variable for variable in model.variables if variable.name == "seed_generator_state"]
    values = np.random.default_rng([seed, epoch]).integers(2**31, size=(len(states), 2))
    for state, value in zip(states, values, strict=True):
        state.assign(value)


def _finished_epochs(folder: Path) -> list[float]:
    """Validation losses of the epochs already trained in `folder`."""
    path = whole_lines(folder / LOG_FILE)
    if not path.exists():
        return []
    with resuming(folder, what="the training"), path.open(newline="", encoding="utf-8") as stream:
        return [float(row["val_loss"]) for row in csv.DictReader(stream)]


def _epoch_file(folder: Path, epoch: int) -> Path:
    return folder / f"epoch-{epoch:04d}.keras"


def _stopped_early(history: list[float], *, patience: int) -> bool:
    """Whether the validation loss has not improved for `patience` epochs."""
    return bool(history) and len(history) - 1 - int(np.argmin(history)) >= patience
