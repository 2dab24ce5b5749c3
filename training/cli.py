"""The command line: `keras-equivariant`, or `python -m keras_equivariant`.

Help and refusals shall take no time: what is imported here, before the arguments are checked, is light.
"""

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from keras_equivariant.training.files import read_json
from keras_equivariant.training.names import check_name, in_one_line, is_exhausted, list_models
from keras_equivariant.training.recipes import Recipe, get_recipe, list_recipes, starting_from, with_jitter
from keras_equivariant.training.recipes.durations import duration
from keras_equivariant.training.runs.callbacks import load_callbacks
from keras_equivariant.training.runs.commands import add_commands, import_tensorflow_quietly
from keras_equivariant.training.runs.folder import check_output, check_time_limit, find_finished_run
from keras_equivariant.training.runs.own import add_options, check_options, prepare, share_or_count
from keras_equivariant.training.runs.predict import SHOWN, check_folder, find_pictures, predict
from keras_equivariant.training.studies import list_studies

from keras_equivariant.version import __version__

_FORMATS = ("keras", "saved_model", "onnx", "litert", "openvino")
_TABLES = ("markdown", "json")
_GREETING = """\
keras-equivariant {version}: train, test and export networks that respect symmetries. What you can do next:

  keras-equivariant fit                              train a first network, in three minutes and without a download
  keras-equivariant list                             the recipes, models and studies
  keras-equivariant fit --data FOLDER                train on pictures of your own: a subfolder for each class
  keras-equivariant fit RECIPE --output RUN          train by a recipe; the folder RUN gets all that it makes
  keras-equivariant report RUN RUN ...               compare runs
  keras-equivariant predict RUN PATH --output DIR    ask the model of a run about pictures
  keras-equivariant export RUN --format onnx --output model.onnx
  keras-equivariant COMMAND --help                   the options of a command
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command.

    Args:
        arguments: List of strings, or `None` for those of the process.

    Returns:
        The exit status: 0, or 2 after an error that the user can mend, told in one line.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    parser, commands = _parser()
    if not arguments:
        print(_GREETING.format(version=__version__), end="")
        return 0
    try:
        if arguments[0] and not arguments[0].startswith("-"):
            check_name("command", arguments[0], commands)
        parsed = parser.parse_args(arguments)
        return parsed.run(parsed) or 0
    except KeyboardInterrupt:
        hint = "; --resume goes on from the last whole epoch" if parsed.run is _fit else ""
        print(f"keras-equivariant: interrupted{hint}", file=sys.stderr)
        return 130
    except Exception as error:
        if not isinstance(error, ValueError | OSError) and not is_exhausted(error):
            raise
        print(in_one_line(error), file=sys.stderr)
        return 2


class _Parser(argparse.ArgumentParser):
    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"keras-equivariant: error: {message}\n")


def _parser() -> tuple[_Parser, list[str]]:
    """The parser, and the names of the commands."""
    parser = _Parser(prog="keras-equivariant", description="Train and export networks that respect symmetries.")
    parser.add_argument("--version", action="version", version=f"keras-equivariant {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    commands.add_parser("list", help="list the recipes, the models and the studies").set_defaults(run=_list)

    command = commands.add_parser("fit", help="train, test and export a model")
    command.add_argument("recipe", nargs="?", metavar="RECIPE", help=f"default: {list_recipes()[0]}")
    command.add_argument("--model", metavar="NAME", help="a model of the zoo, instead of the recipe's")
    start = "train on from a run, a .keras or .weights.h5 file, or weights of the package, the head first"
    command.add_argument("--weights", metavar="WEIGHTS", help=start)
    command.add_argument("--freeze", action="store_true", default=None, help="with --weights: train only the head")
    command.add_argument("--epochs", type=int, metavar="N", help="instead of the recipe's")
    command.add_argument("--steps-per-epoch", type=int, metavar="N", help="a shorter epoch; default: all images")
    limit = "end the training after that time and report; --resume goes on from the last whole epoch"
    command.add_argument("--time-limit", type=float, metavar="MINUTES", help=limit)
    command.add_argument("--batch-size", type=int, metavar="N", help="on all devices together, instead of the recipe's")
    watching = "training images that only watch the training; of a folder, a share such as 0.15"
    command.add_argument("--validation", type=share_or_count, metavar="N", help=watching)
    preprocessing = "instead of the recipe's, such as grey_world, shades_of_grey or estimated_light"
    command.add_argument("--preprocessing", metavar="NAME", help=preprocessing)
    command.add_argument("--estimator", metavar="RUN", help="a run that estimates the light, for estimated_light")
    fitted = "training images whose statistics standardise; default: all, or 1,000 if they stay in files"
    command.add_argument("--fitted-images", type=int, metavar="N", help=fitted)
    amounts = "amounts of colour jitter (brightness, contrast, saturation, hue), of a recipe that has it"
    command.add_argument("--jitter", type=float, nargs=4, metavar="X", help=amounts)
    command.add_argument("--seed", type=int, metavar="N", help="default: 0")
    command.add_argument("--precision", metavar="NAME", help="float32 (default), mixed_bfloat16 or float64")
    command.add_argument("--jit", action="store_true", default=None, help="compile the training step with XLA")
    hosts = "mirrored (TensorFlow, one host) or jax (any hosts)"
    command.add_argument("--distribute", metavar="NAME", dest="distribution", help=hosts)
    command.add_argument("--output", metavar="DIR", help="folder of the run; default: runs/RECIPE-MODEL-SEED")
    resume = "go on with an interrupted run in that folder, or with a finished one for more epochs"
    command.add_argument("--resume", action="store_true", help=resume)
    command.add_argument("--data-dir", metavar="DIR", help="TFDS data sets; default: ~/tensorflow_datasets")
    add_options(command)
    command.set_defaults(run=_fit)

    command = commands.add_parser("evaluate", help="test the model of a finished run again")
    command.add_argument("folder", metavar="RUN", help="folder of a finished run")
    _add_data_dir(command)
    command.set_defaults(run=_evaluate)

    command = commands.add_parser("export", help="save the model of a finished run in another format")
    command.add_argument("folder", metavar="RUN", help="folder of a finished run")
    formats = f"{', '.join(_FORMATS)}; default: saved_model"
    command.add_argument("--format", default="saved_model", metavar="NAME", help=formats)
    plain = "as a plain Keras model, without our classes"
    command.add_argument("--planar", action=argparse.BooleanOptionalAction, default=False, help=plain)
    places = "outside (default), or inside: the model takes images between 0 and 1"
    command.add_argument("--preprocessing", default="outside", metavar="PLACE", help=places)
    command.add_argument("--softmax", action="store_true", help="probabilities, instead of logits")
    command.add_argument("--int8", action="store_true", help="in 8-bit integers, calibrated on training images; litert")
    command.add_argument("--output", metavar="PATH", required=True, help="file or folder to write")
    _add_data_dir(command)
    command.set_defaults(run=_export)

    command = commands.add_parser("report", help="compare finished runs; those that differ in the seed share a row")
    command.add_argument("folders", nargs="+", metavar="RUN", help="folders of the runs")
    command.add_argument("--format", default="markdown", metavar="NAME", help="of the table: markdown or json")
    command.add_argument("--output", metavar="PNG", help="picture to draw the learning curves in")
    command.set_defaults(run=_report)

    command = commands.add_parser("lights", help="draw how well finished runs do under coloured light")
    command.add_argument("folders", nargs="+", metavar="RUN", help="folders of runs on one data set")
    command.add_argument("--images", type=int, default=3, metavar="N", help="how many to show; default: 3")
    command.add_argument("--output", default=".", metavar="DIR", help="folder for the pictures; default: this one")
    _add_data_dir(command)
    command.set_defaults(run=_lights)

    command = commands.add_parser("predict", help="ask the model of a finished run about pictures")
    command.add_argument("folder", metavar="RUN", help="folder of a finished run")
    command.add_argument("paths", nargs="+", metavar="PATH", help="pictures, and folders with pictures in them")
    command.add_argument("--raw", action="store_true", help="pixels are proportional to light, not sRGB")
    command.add_argument("--output", metavar="DIR", required=True, help="folder to write, new or empty")
    command.set_defaults(run=_predict)

    add_commands(commands)
    return parser, list(commands.choices)


def _add_data_dir(command: argparse.ArgumentParser) -> None:
    folders = "prepared TFDS data sets, or pictures of your own; default: those that the run was made with"
    command.add_argument("--data-dir", "--data", metavar="DIR", help=folders)


def _check_runs(folders: list[str], data_dir: str | None = None) -> None:
    """Checks that runs are finished, and that they read the folder of data sets."""
    for folder in folders:
        recipe = read_json(find_finished_run(folder).config).get("recipe")
        _check_data_dir(data_dir, recipe.get("dataset") if isinstance(recipe, dict) else None)


def _check_data_dir(data_dir: str | None, dataset: str | None) -> None:
    if data_dir is not None:
        from keras_equivariant.training.data import reads_folder

        if not reads_folder(dataset):
            rule = f"must not be given for the data set {dataset!r}, which reads no folder"
            raise ValueError(f"`data_dir` {rule}. Received: data_dir={data_dir}")


def _list(arguments: argparse.Namespace) -> None:
    from keras_equivariant.training.data import reads_folder

    sections: dict[str, dict[str, str]] = {}
    for name in list_recipes():
        recipe = get_recipe(name)
        needs = f"needs the data set {recipe.dataset}" if reads_folder(recipe.dataset) else ""
        said = [part for part in (recipe.description, needs, duration(name)) if part]
        sections.setdefault(f"Recipes, {recipe.task}", {})[name] = "; ".join(said)
    sections |= {"Models": list_models(), "Studies": list_studies()}
    width = 2 + max(len(name) for lines in sections.values() for name in lines)
    for title, lines in sections.items():
        print(f"{title}:", *(f"  {name:<{width}}{description}" for name, description in lines.items()), sep="\n")


def _fit(arguments: argparse.Namespace) -> None:
    check_options(arguments)
    check_time_limit(arguments.time_limit)
    data: Any = None
    if arguments.data is not None:
        recipe, data, output = prepare(arguments, import_tensorflow_quietly)
    else:
        fields = {field.name for field in dataclasses.fields(Recipe)}
        changes = {name: value for name, value in vars(arguments).items() if name in fields}
        recipe = get_recipe(arguments.recipe or list_recipes()[0], **changes)
        recipe = with_jitter(recipe, arguments.jitter) if arguments.jitter else recipe
        recipe = starting_from(recipe, arguments.model) if recipe.weights is not None else recipe
        check_name("model", recipe.model, list_models())
        _check_data_dir(arguments.data_dir, recipe.dataset)
        output = arguments.output or os.path.join("runs", f"{recipe.name}-{recipe.model}-{recipe.seed}")
        check_output(output, recipe.epochs, arguments.resume)
        import_tensorflow_quietly()
    from keras_equivariant.training.runs.compare import format_metrics
    from keras_equivariant.training.runs.fit import fit
    from keras_equivariant.training.tasks import get_task

    callbacks = load_callbacks(arguments.callbacks or ())
    folder, limit = arguments.data or arguments.data_dir, arguments.time_limit
    run, metrics = fit(recipe, output, arguments.resume, folder, limit, data, callbacks)
    print(f"\n{format_metrics(get_task(recipe.task), metrics)}\n")
    for path in (run.report, run.metrics, run.history, run.model, run.saved_model, run.tensorboard):
        if path.exists():
            print(path)


def _evaluate(arguments: argparse.Namespace) -> None:
    _check_runs([arguments.folder], arguments.data_dir)
    import_tensorflow_quietly()
    from keras_equivariant.training.runs.compare import format_metrics
    from keras_equivariant.training.runs.finished import load_run

    run = load_run(arguments.folder)
    print(f"\n{format_metrics(run.task, run.evaluate(arguments.data_dir))}")


def _export(arguments: argparse.Namespace) -> None:
    check_name("format", arguments.format, _FORMATS)
    if os.path.exists(arguments.output):
        raise ValueError(f"`output` must not exist yet. Received: output={arguments.output}")
    _check_runs([arguments.folder], arguments.data_dir)
    import_tensorflow_quietly()
    from keras_equivariant.training.runs.compare import name_and_unit
    from keras_equivariant.training.runs.export import export_run
    from keras_equivariant.training.runs.finished import read_recipe
    from keras_equivariant.training.tasks import get_task

    given = vars(arguments)
    names = ("planar", "preprocessing", "softmax", "int8", "data_dir")
    found = export_run(given["folder"], given["output"], given["format"], **{name: given[name] for name in names})
    if not arguments.int8:
        print(f"{given['output']}: the same outputs as the run's model, to {found['difference']:.1e} of the largest")
        return
    figure = next(iter(get_task(read_recipe(arguments.folder)[0].task).figures.values()))
    name, unit = name_and_unit(figure.title)
    print(
        f"{arguments.output}: {found['bytes']:,} bytes; on {found['images']:,} test images it agrees with the run's "
        f"model to {found['agreement']:.2f} %; {name} {found['error']:{figure.form}}{unit}, in floating point "
        f"{found['float_error']:{figure.form}}{unit}"
    )


def _report(arguments: argparse.Namespace) -> None:
    check_name("format", arguments.format, _TABLES)
    _check_runs(arguments.folders)
    import_tensorflow_quietly()
    from keras_equivariant.training.runs.compare import compare_runs, draw_comparison, format_table

    runs = compare_runs(arguments.folders)
    as_json = arguments.format == "json"
    print(json.dumps([{"run": run.path, **run.metrics} for run in runs], indent=2) if as_json else format_table(runs))
    if arguments.output:
        draw_comparison(arguments.output, runs)


def _lights(arguments: argparse.Namespace) -> None:
    if arguments.images < 1:
        raise ValueError(f"`images` must be at least 1. Received: images={arguments.images}")
    _check_runs(arguments.folders, arguments.data_dir)
    import_tensorflow_quietly()
    from keras_equivariant.training.runs.lights import draw_lights

    print(*draw_lights(arguments.folders, arguments.output, arguments.images, arguments.data_dir), sep="\n")


def _predict(arguments: argparse.Namespace) -> int:
    _check_runs([arguments.folder])
    find_pictures(arguments.paths)
    check_folder(arguments.output)
    import_tensorflow_quietly()
    texts, unreadable = predict(arguments.folder, arguments.paths, arguments.output, arguments.raw)
    print(*(f"{file}: {text}" for file, text in list(texts.items())[:SHOWN]), sep="\n")
    print(*(os.path.join(arguments.output, f"predictions.{ending}") for ending in ("csv", "png")), sep="\n")
    for line in unreadable:
        print(f"keras-equivariant: error: {line}", file=sys.stderr)
    return 2 if unreadable else 0
