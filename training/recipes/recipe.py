"""What a recipe is."""

import dataclasses
from typing import Any

from keras_equivariant.training.tasks import list_tasks

PRECISIONS = ("float32", "mixed_bfloat16", "float64")
DISTRIBUTIONS = (None, "mirrored", "jax")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """One way to train a network: everything that decides what a run does, as data.

    Attributes:
        name: Name of the recipe.
        description: One line: what it trains, on what.
        model: Name of a model of the zoo.
        dataset: Name of a data set.
        epochs: Number of passes over the training set.
        batch_size: Number of images in a training step, on all devices together.
        steps_per_epoch: Number of training steps that count as an epoch, on as many images drawn anew; `None` for all
            images. Schedules are stretched to it.
        optimizer: Configuration of a Keras optimizer: `{"class_name": ..., "config": {...}}`.
        model_arguments: Arguments of the model's builder.
        schedule: `None` for a constant learning rate, `{"kind": "cosine"}` for one that falls to zero along a half
            cosine, or `{"kind": "steps", "epochs": [82, 123], "of": 164, "factor": 0.1}` to multiply it after 82 and
            123 of 164 epochs. Either is stretched to the length of the training: with `epochs=12`, after 6 and 9.
        loss: Configuration of a Keras loss.
        validation: Number of training images that are held out to watch the training; 0 for none.
        preprocessing: Name of what is done to the images first, fitted on the training set.
        estimator: Folder of a run that estimates the light, for the preprocessing `"estimated_light"`; else `None`.
        fitted_images: Number of training images that the preprocessing is fitted on; `None` for all that are in memory,
            or 1,000 of those that stay in files.
        augmentation: Names of random transforms of the training images; `{"class_name": name, "config": {...}}` for one
            with arguments.
        evaluation: Name of the test.
        reestimate_batch_norm: Whether the batch-norm statistics are computed anew after the training.
        precision: Keras dtype policy.
        jit: Whether to compile the training step with XLA; on JAX it always is. On TensorFlow, small convolutions on a
            CPU run slower so.
        distribution: `None`, `"mirrored"` for all devices of this host on TensorFlow, or `"jax"` for all devices of
            all hosts on JAX.
        task: What the network is for: a name of `keras_equivariant.training.tasks.list_tasks()`.
        published: The paper's figure for each model that it trained so, in the unit of the task's first figure.
        weights: `None`, or trained weights to start from, as in `keras_equivariant.zoo.create`. The head is trained
            first, alone, in a fifth of the epochs more, at least one; then all layers are.
        freeze: With `weights`: only the head is trained.
        class_weights: How much a training picture of each class counts in the loss; `()` for all alike.
        patience: With a validation set: the training ends after so many epochs that do not lower its loss by 0.001, and
            the weights of the best epoch are kept. `None` to train all epochs and keep the last weights.
        data_arguments: Arguments of the data set, for one that takes any.
        seed: Decides the initial weights, the order of the images and their transforms.
    """

    name: str
    description: str
    model: str
    dataset: str
    epochs: int
    batch_size: int
    optimizer: dict[str, Any]
    model_arguments: dict[str, Any] = dataclasses.field(default_factory=dict)
    schedule: dict[str, Any] | None = None
    loss: dict[str, Any] = dataclasses.field(
        default_factory=lambda: {"class_name": "SparseCategoricalCrossentropy", "config": {"from_logits": True}}
    )
    validation: int = 0
    preprocessing: str = "standardise"
    estimator: str | None = None
    fitted_images: int | None = None
    augmentation: tuple[str | dict[str, Any], ...] = ()
    evaluation: str = "plain"
    reestimate_batch_norm: bool = False
    precision: str = "float32"
    jit: bool = False
    distribution: str | None = None
    task: str = "classification"
    published: dict[str, float] = dataclasses.field(default_factory=dict)
    weights: str | None = None
    freeze: bool = False
    class_weights: tuple[float, ...] = ()
    patience: int | None = None
    data_arguments: dict[str, Any] = dataclasses.field(default_factory=dict)
    seed: int = 0
    steps_per_epoch: int | None = None

    def __post_init__(self) -> None:
        """Checks what can be checked without building anything; a recipe read from JSON has lists for tuples."""
        for field in ("augmentation", "class_weights"):
            if isinstance(getattr(self, field), list):
                object.__setattr__(self, field, tuple(getattr(self, field)))
        for field in ("epochs", "batch_size", "fitted_images", "patience", "steps_per_epoch"):
            if getattr(self, field) is not None and getattr(self, field) < 1:
                raise ValueError(f"`{field}` must be at least 1. Received: {field}={getattr(self, field)}")
        if not 0 <= self.seed < 2**31:
            raise ValueError(f"`seed` must be at least 0 and below 2**31. Received: seed={self.seed}")
        if self.freeze and self.weights is None:
            raise ValueError("`freeze` must be False without `weights`. Received: freeze=True, weights=None")
        for field, known in (("precision", PRECISIONS), ("distribution", DISTRIBUTIONS), ("task", list_tasks())):
            if getattr(self, field) not in known:
                raise ValueError(
                    f"`{field}` must be one of {[name for name in known if name]}. "
                    f"Received: {field}={getattr(self, field)!r}"
                )
