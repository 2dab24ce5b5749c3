"""Makes pretrained weights of a finished run, with the card that says where they come from.

    python -m keras_equivariant.training.runs.publish RUN [--output DIR]

writes `MODEL-DATASET.weights.h5` and `MODEL-DATASET.json` to the folder of the weights that come with the package, from
where `zoo.create(MODEL, weights=DATASET)` takes them, or to another one.
"""

import argparse
import dataclasses
import inspect
import pathlib

import keras
import numpy as np
from keras_equivariant.training.files import read_json, replacing, write_json
from keras_equivariant.training.input.preprocessing import describe_preprocessing
from keras_equivariant.training.runs.finished import load_run
from keras_equivariant.zoo.pretrained import FOLDER, SUFFIX, architecture, card_path, checksum

from keras_equivariant import zoo

_MNIST = "MNIST (LeCun, Cortes & Burges, 1998)"
# What each data set is, and on which terms.
_DATA = {
    "digits": ("Optical Recognition of Handwritten Digits (Alpaydin & Kaynak, 1998), by scikit-learn", "CC BY 4.0"),
    "mnist": (_MNIST, "commonly stated as CC BY-SA 3.0"),
    "rotated_mnist": (
        f"{_MNIST}, each digit in a random rotation: 12,000 to train on, 50,000 to test on, the protocol of Larochelle "
        "et al., 2007",
        "that of MNIST, commonly stated as CC BY-SA 3.0",
    ),
    "cifar10": ("CIFAR-10 (Krizhevsky, 2009)", "none stated by its authors"),
}


def publish(path: str | pathlib.Path, folder: str | pathlib.Path = FOLDER) -> tuple[pathlib.Path, pathlib.Path]:
    """Writes the weights of a run's model and their card.

    Args:
        path: Folder of the finished run.
        folder: Where to write.

    Returns:
        The paths of the weights file and of the card.

    Raises:
        ValueError: If the folder holds no finished run, the model's builder takes no weights, the terms of the data
            are not known, or the preprocessing does not fit into a card.
    """
    run = load_run(path)
    recipe = run.recipe
    builder = zoo.get_builder(recipe.model)
    if "weights" not in inspect.signature(builder).parameters:
        raise ValueError(f"`run` must be of a model that takes `weights`. Received: a run of {recipe.model}")
    if recipe.dataset not in _DATA:
        raise ValueError(f"`run` must be on one of {list(_DATA)}. Received: a run on {recipe.dataset}")
    description, licence = _DATA[recipe.dataset]
    config = read_json(run.folder.config)
    card = {
        "model": recipe.model,
        "weights": recipe.dataset,
        "arguments": architecture(builder, recipe.model_arguments),
        **{key: value for key, value in read_json(run.folder.metrics).items() if not key.endswith("_difference")},
        "data": {"name": recipe.dataset, "description": description, "licence": licence},
        "preprocessing": {"name": recipe.preprocessing, **describe_preprocessing(run.preprocess)},
        "recipe": dataclasses.asdict(recipe),
        "versions": config["versions"],
        "revision": config["revision"],
    }
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{recipe.model}-{recipe.dataset}{SUFFIX}"
    # Both are ready before the first takes its place: loading rejects weights that do not match their card.
    with replacing(target) as partial, replacing(card_path(target)) as partial_card:
        model = builder(**recipe.model_arguments)
        model.set_weights(run.model.get_weights())
        model.save_weights(partial)
        _check(builder(**{**recipe.model_arguments, "weights": partial}), model)
        write_json(partial_card, {**card, "sha256": checksum(partial)})
    return target, card_path(target)


def _check(loaded: keras.Model, model: keras.Model) -> None:
    for new, old in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(new, old)


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m keras_equivariant.training.runs.publish", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("folder", metavar="RUN", help="folder of the finished run")
    parser.add_argument("--output", default=FOLDER, metavar="DIR", help="default: that of the package's weights")
    parsed = parser.parse_args(arguments)
    try:
        print(*publish(parsed.folder, parsed.output), sep="\n")
    except (ValueError, OSError) as error:
        parser.exit(2, f"{parser.prog}: error: {error}\n")


if __name__ == "__main__":
    main()
