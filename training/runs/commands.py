"""The commands `study` and `rank` of the command line, and how each starts. What is imported here is light."""

import argparse
import contextlib
import os
from typing import Any

from keras_equivariant.training.names import check_name
from keras_equivariant.training.studies import list_settings, list_studies, run_study

DATASETS = ("digits", "mnist", "cifar10", "stl10")
_OPTIONS = {
    "dataset": "--dataset",
    "data_dir": "--data-dir",
    "models": "--model",
    "runs": "--seeds",
    "epochs": "--epochs",
    "training_images": "--images",
}
_FOLDER = "prepared TFDS data sets; default: that of TFDS, ~/tensorflow_datasets"


def import_tensorflow_quietly() -> None:
    """Imports TensorFlow with the standard error closed to its start-up notices, which tell a user nothing."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    standard_error = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        with contextlib.suppress(ImportError):  # Keras may compute with something else
            import tensorflow  # noqa: F401

        import keras_equivariant.library  # noqa: F401 - it registers what saved models are made of
    finally:
        os.dup2(standard_error, 2)
        os.close(standard_error)


def add_commands(commands: Any) -> None:
    """Adds both commands to the parser's."""
    command: argparse.ArgumentParser = commands.add_parser("study", help="run a study of diffusion spectral entropy")
    command.add_argument("name", metavar="NAME", help="as listed by `keras-equivariant list`")
    command.add_argument("--dataset", metavar="NAME", help=f"{', '.join(DATASETS)}; default: {DATASETS[0]}")
    networks = "networks to train: convnet (default), classifiers of the zoo or of keras.applications"
    command.add_argument("--model", nargs="+", metavar="NAME", dest="models", help=networks)
    command.add_argument("--seeds", type=int, metavar="N", dest="runs", help="number of trainings, or of data sets")
    command.add_argument("--epochs", type=int, metavar="N", help="of each training")
    command.add_argument("--images", type=int, metavar="N", dest="training_images", help="to train on")
    command.add_argument("--data-dir", metavar="DIR", help=_FOLDER)
    command.add_argument("--seed", type=int, default=0, metavar="N", help="the first; default: 0")
    command.add_argument("--output", metavar="DIR", help="folder for the results; default: runs/study-NAME-SEED")
    command.set_defaults(run=_study)

    command = commands.add_parser("rank", help="compare the entropies of trained classifiers with their accuracies")
    models = "run folders, .keras files, names of keras.applications; FAMILY=MODEL gives a model its colour"
    command.add_argument("models", nargs="+", metavar="MODEL", help=models)
    named = f"{', '.join(DATASETS)}, imagenet2012; default: {DATASETS[0]}"
    command.add_argument("--dataset", default=DATASETS[0], metavar="NAME", help=named)
    command.add_argument("--images", type=int, default=1000, metavar="N", help="of its test images; default: 1000")
    command.add_argument("--data-dir", metavar="DIR", help=_FOLDER)
    command.add_argument("--output", metavar="DIR", required=True, help="folder for results.json and figure.png")
    command.set_defaults(run=_rank)


def _study(arguments: argparse.Namespace) -> None:
    check_name("study", arguments.name, list_studies())
    settings = {name: getattr(arguments, name) for name in _OPTIONS if getattr(arguments, name) is not None}
    for name, value in settings.items():
        if name not in list_settings(arguments.name):
            known = [_OPTIONS[setting] for setting in list_settings(arguments.name)]
            raise ValueError(f"The study {arguments.name!r} takes {known}. Received: {_OPTIONS[name]} {value}")
        if isinstance(value, int) and value < 1:
            raise ValueError(f"`{_OPTIONS[name][2:]}` must be at least 1. Received: {_OPTIONS[name]} {value}")
    check_name("dataset", settings.get("dataset", DATASETS[0]), DATASETS)
    import_tensorflow_quietly()
    output = arguments.output or os.path.join("runs", f"study-{arguments.name}-{arguments.seed}")
    run_study(arguments.name, output, arguments.seed, **settings)
    print(os.path.join(output, "results.json"))
    print(os.path.join(output, "figure.png"))


def _rank(arguments: argparse.Namespace) -> None:
    check_name("dataset", arguments.dataset, (*DATASETS, "imagenet2012"))
    if len(arguments.models) < 3:
        raise ValueError(f"`models` must be at least three, to correlate. Received: {len(arguments.models)}")
    if arguments.images < 20:
        raise ValueError(f"`images` must be at least 20. Received: images={arguments.images}")
    if os.path.exists(os.path.join(arguments.output, "results.json")):
        raise ValueError(f"`output` must not hold results. Received: output={arguments.output}")
    import_tensorflow_quietly()
    from keras_equivariant.training.runs.rank import format_ranking, rank_models

    given = (arguments.models, arguments.output, arguments.dataset, arguments.data_dir, arguments.images)
    print(f"\n{format_ranking(rank_models(*given))}\n")
    print(os.path.join(arguments.output, "results.json"))
    print(os.path.join(arguments.output, "figure.png"))
