"""The command line: `keras-equivariant`, or `python -m training`."""

import argparse
import os
import sys


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
        print(f"keras-equivariant: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("keras-equivariant: interrupted; --resume goes on from the last whole epoch", file=sys.stderr)
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
    command.add_argument("--seed", type=int, metavar="N", help="default: 0")
    command.add_argument("--output", metavar="DIR", help="folder of the run; default: runs/RECIPE-MODEL-SEED")
    command.add_argument("--resume", action="store_true", help="go on with an interrupted run in that folder")
    command.set_defaults(run=_fit)

    command = commands.add_parser("evaluate", help="test the model of a finished run again")
    command.add_argument("folder", metavar="RUN", help="folder of the run")
    command.set_defaults(run=_evaluate)

    command = commands.add_parser("export", help="save the model of a finished run in another format")
    command.add_argument("folder", metavar="RUN", help="folder of the run")
    command.add_argument("--format", default="saved_model", metavar="NAME", help="keras or saved_model")
    command.add_argument("--output", metavar="PATH", required=True, help="file or folder to write")
    command.set_defaults(run=_export)
    return parser


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

    print("Recipes:")
    for name in list_recipes():
        print(f"  {name:<24}{get_recipe(name).description}")
    print("Models:")
    for name in zoo.list_models():
        print(f"  {name:<24}{zoo.get_builder(name).__doc__.splitlines()[0]}")


def _fit(arguments):
    from training.recipes import get_recipe, list_recipes

    changes = {"model": arguments.model, "epochs": arguments.epochs, "seed": arguments.seed}
    recipe = get_recipe(arguments.recipe or list_recipes()[0], **changes)
    from training.fit import fit

    output = arguments.output or os.path.join("runs", f"{recipe.name}-{recipe.model}-{recipe.seed}")
    run, metrics = fit(recipe, output, arguments.resume)
    _print_table(metrics)
    print()
    for path in (run.report, run.metrics, run.history, run.model, run.saved_model, run.tensorboard):
        print(path)


def _evaluate(arguments):
    from training.fit import load_run, test

    _print_table(test(*load_run(arguments.folder)))


def _export(arguments):
    from training.export import export
    from training.fit import load_run

    if os.path.exists(arguments.output):
        raise ValueError(f"`output` must not exist yet. Received: output={arguments.output}")
    model, data = load_run(arguments.folder)
    difference = export(model, arguments.output, arguments.format, data.standardise(data.test.images[:64]))
    print(f"{arguments.output}: the same outputs as the run's model, to {difference:.1e} of the largest")


def _print_table(metrics):
    rows = {
        "model": metrics.get("model"),
        "trainable parameters": _format(metrics.get("parameters"), ","),
        "time of the fit": _format(metrics.get("fit_seconds"), ".0f", " s"),
        "test error, eight rotations": _format(metrics["test_error"], ".2f", " %"),
        "best and worst rotation": "{:.2f} % and {:.2f} %".format(
            min(metrics["test_error_by_rotation"]), max(metrics["test_error_by_rotation"])
        ),
        "change under quarter turns": _format(metrics["invariance_error"], ".1e", " of the largest logit"),
        "model.keras differs by": _format(metrics.get("keras_difference"), ".1e"),
        "saved_model differs by": _format(metrics.get("saved_model_difference"), ".1e"),
    }
    print()
    for name, value in rows.items():
        if value is not None:
            print(f"{name:<28} {value}")


def _format(value, specification, unit=""):
    return None if value is None else f"{value:{specification}}{unit}"
