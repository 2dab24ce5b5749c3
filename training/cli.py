"""The command line: `keras-equivariant`, or `python -m training`."""

import argparse
import importlib
import os
import sys

_TASKS = {
    "classification": "training.runs.fit",
    "illuminants": "training.tasks.illuminants.fit",
    "inpainting": "training.tasks.inpainting.fit",
}
_PICTURES = {"classification": "predictions.png", "illuminants": "corrections.png", "inpainting": "centres.png"}
_LONGEST_MESSAGE = 1000  # a backend may print whole arrays


def main(arguments=None):
    """Runs a command.

    Args:
        arguments: List of strings, or `None` for those of the process.

    Returns:
        The exit status: 0, or 2 after an error that the user can mend, told in one line.
    """
    parsed = _parser().parse_args(arguments)
    _import_tensorflow_quietly()
    try:
        parsed.run(parsed)
    except (ValueError, OSError) as error:
        print(f"keras-equivariant: error: {' '.join(str(error).split())[:_LONGEST_MESSAGE]}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        hint = "; --resume goes on from the last whole epoch" if parsed.run is _fit else ""
        print(f"keras-equivariant: interrupted{hint}", file=sys.stderr)
        return 130
    return 0


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(2, f"keras-equivariant: error: {message}\n")


def _parser():
    parser = _Parser(prog="keras-equivariant", description="Train and export networks that respect symmetries.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    command = commands.add_parser("list", help="list the recipes and the models")
    command.set_defaults(run=_list)

    command = commands.add_parser("fit", help="train, test and export a model")
    command.add_argument("recipe", nargs="?", metavar="RECIPE", help="default: rotated_digits")
    command.add_argument("--model", metavar="NAME", help="a model of the zoo, instead of the recipe's")
    command.add_argument("--epochs", type=int, metavar="N", help="instead of the recipe's")
    command.add_argument("--batch-size", type=int, metavar="N", help="on all devices together, instead of the recipe's")
    command.add_argument("--seed", type=int, metavar="N", help="default: 0")
    command.add_argument("--precision", metavar="NAME", help="float32 (default), mixed_bfloat16 or float64")
    command.add_argument("--jit", action="store_true", default=None, help="compile the training step with XLA")
    command.add_argument("--distribute", metavar="NAME", help="mirrored (TensorFlow, one host) or jax (any hosts)")
    command.add_argument("--output", metavar="DIR", help="folder of the run; default: runs/RECIPE-MODEL-SEED")
    command.add_argument("--resume", action="store_true", help="go on with an interrupted run in that folder")
    _add_data_dir(command, "that of TFDS, ~/tensorflow_datasets")
    command.set_defaults(run=_fit)

    command = commands.add_parser("evaluate", help="test the model of a finished run of a classifier again")
    command.add_argument("folder", metavar="RUN", help="folder of a finished run of a classifier")
    _add_data_dir(command)
    command.set_defaults(run=_evaluate)

    command = commands.add_parser("export", help="save the model of a finished run of a classifier in another format")
    command.add_argument("folder", metavar="RUN", help="folder of a finished run of a classifier")
    formats = "keras, saved_model (default), onnx, litert or openvino"
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

    command = commands.add_parser("report", help="compare finished runs")
    command.add_argument("folders", nargs="+", metavar="RUN", help="folders of the runs")
    command.add_argument("--format", default="markdown", metavar="NAME", help="of the table: markdown or json")
    command.add_argument("--output", metavar="PNG", help="picture to draw the learning curves in")
    command.set_defaults(run=_report)

    command = commands.add_parser("lights", help="draw how finished runs bear coloured light")
    command.add_argument("folders", nargs="+", metavar="RUN", help="folders of runs on one data set")
    command.add_argument("--images", type=int, default=3, metavar="N", help="how many to show; default: 3")
    command.add_argument("--output", default=".", metavar="DIR", help="folder for the pictures; default: this one")
    _add_data_dir(command)
    command.set_defaults(run=_lights)

    command = commands.add_parser("correct", help="take the colour of the light out of a photograph")
    command.add_argument("folder", metavar="RUN", help="folder of a run that estimates the light")
    command.add_argument("photograph", metavar="PHOTO", help="PNG, JPEG or BMP file")
    command.add_argument("--raw", action="store_true", help="pixels are proportional to light, not sRGB")
    command.add_argument("--output", metavar="PNG", help="before and after; default: PHOTO-corrected.png")
    command.set_defaults(run=_correct)

    command = commands.add_parser("study", help="run a study of diffusion spectral entropy")
    command.add_argument("name", metavar="NAME", help="as listed by `keras-equivariant list`")
    command.add_argument("--seed", type=int, default=0, metavar="N", help="default: 0")
    command.add_argument("--output", metavar="DIR", help="folder for the results; default: runs/study-NAME-SEED")
    command.set_defaults(run=_study)
    return parser


def _add_data_dir(command, default="the one that the run was made with"):
    command.add_argument("--data-dir", metavar="DIR", help=f"prepared TFDS data sets; default: {default}")


def _import_tensorflow_quietly():
    """Imports TensorFlow with the standard error closed to its start-up notices, which tell a user nothing."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    standard_error = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        import tensorflow  # noqa: F401
    finally:
        os.dup2(standard_error, 2)
        os.close(standard_error)


def _list(arguments):
    import zoo
    from training.recipes import get_recipe, list_recipes
    from training.studies import list_studies

    print("Recipes:")
    for name in list_recipes():
        print(f"  {name:<27}{get_recipe(name).description}")
    print("Models:")
    for name in zoo.list_models():
        print(f"  {name:<27}{zoo.get_builder(name).__doc__.splitlines()[0]}")
    print("Studies:")
    for name, description in list_studies().items():
        print(f"  {name:<27}{description}")


def _fit(arguments):
    from training.recipes import get_recipe, list_recipes

    fields = ("model", "epochs", "batch_size", "seed", "precision", "jit")
    changes = {field: getattr(arguments, field) for field in fields} | {"distribution": arguments.distribute}
    recipe = get_recipe(arguments.recipe or list_recipes()[0], **changes)
    task = importlib.import_module(_TASKS[recipe.task])

    output = arguments.output or os.path.join("runs", f"{recipe.name}-{recipe.model}-{recipe.seed}")
    run, metrics = task.fit(recipe, output, arguments.resume, arguments.data_dir)
    _print_table(metrics)
    print()
    for path in (run.report, run.metrics, run.history, run.model, run.saved_model, run.tensorboard):
        if path.exists():
            print(path)


def _evaluate(arguments):
    from training.runs.fit import load_run
    from training.tasks.classification.evaluation import evaluate

    recipe, *loaded = load_run(arguments.folder, arguments.data_dir)
    _print_table(evaluate(recipe.evaluation, *loaded))


def _export(arguments):
    from training.runs.export import export_run

    found = export_run(
        arguments.folder,
        arguments.output,
        arguments.format,
        arguments.planar,
        arguments.preprocessing,
        arguments.softmax,
        arguments.int8,
        arguments.data_dir,
    )
    if arguments.int8:
        print(
            f"{arguments.output}: {found['bytes']:,} bytes; the class that the run's model predicts for "
            f"{found['agreement']:.2f} % of the test images; test error {found['error']:.2f} %, in floating point "
            f"{found['float_error']:.2f} %"
        )
    else:
        difference = found["difference"]
        print(f"{arguments.output}: the same outputs as the run's model, to {difference:.1e} of the largest")


def _report(arguments):
    from training.runs.compare import compare_runs, draw_comparison, format_table

    rows, histories = compare_runs(arguments.folders)
    print(format_table(rows, arguments.format))
    if arguments.output:
        draw_comparison(arguments.output, rows, histories)


def _lights(arguments):
    from training.runs.lights import draw_runs, task_of
    from training.tasks.classification.lights import draw_predictions, draw_saturations

    task = task_of(arguments.folders)
    if arguments.images < 1:
        raise ValueError(f"`images` must be at least 1. Received: images={arguments.images}")
    errors, pictures = (os.path.join(arguments.output, name) for name in ("saturations.png", _PICTURES[task]))
    if task == "classification":
        draw_saturations(arguments.folders, errors)
        draw_predictions(arguments.folders, pictures, arguments.images, arguments.data_dir)
    else:
        draw_runs(arguments.folders, errors, pictures, arguments.images, arguments.data_dir)
    print(errors)
    print(pictures)


def _correct(arguments):
    from training.tasks.illuminants.correct import correct

    output = arguments.output or os.path.splitext(arguments.photograph)[0] + "-corrected.png"
    light = correct(arguments.folder, arguments.photograph, output, arguments.raw)
    print(f"light {light[0]:.3f} {light[1]:.3f} {light[2]:.3f}")
    print(output)


def _study(arguments):
    from training.studies import run_study

    output = arguments.output or os.path.join("runs", f"study-{arguments.name}-{arguments.seed}")
    run_study(arguments.name, output, arguments.seed)
    print(os.path.join(output, "results.json"))
    print(os.path.join(output, "figure.png"))


def _print_table(metrics):
    """Prints what there is of the metrics, one to a line."""
    rows = [
        ("model", "model", "{}"),
        ("trainable parameters", "parameters", "{:,}"),
        ("time of the fit", "fit_seconds", "{:.0f} s"),
        ("test error", "test_error", "{:.2f} %"),
        ("median error", "median_error", "{:.2f} degrees"),
        ("PSNR of the centre", "psnr", "{:.2f} dB"),
        ("change under quarter turns", "invariance_error", "{:.1e} of the largest logit"),
        ("model.keras differs by", "keras_difference", "{:.1e}"),
        ("saved_model differs by", "saved_model_difference", "{:.1e}"),
    ]
    print()
    for label, name, form in rows:
        if name in metrics:
            print(f"{label:<28} {form.format(metrics[name])}")
    for rotation, error in metrics.get("test_error_by_rotation", {}).items():
        print(f"  rotated by {rotation + ' degrees':<16} {error:.2f} %")
