"""Several runs side by side, as a table and a picture."""

import csv
import json
import pathlib

from matplotlib.figure import Figure

from training.tasks.classification.pictures import curve
from training.files import read_json
from training.pictures.curves import save_figure
from training.runs.folder import find_finished_run

FORMATS = ("markdown", "json")
_COLUMNS = {
    "run": "run",
    "model": "model",
    "parameters": "parameters",
    "epochs": "epochs",
    "seed": "seed",
    "test_error": "test error (%)",
    "median_error": "median error (degrees)",
    "psnr": "PSNR (dB)",
    "invariance_error": "change under quarter turns",
    "fit_seconds": "time of the fit (s)",
}


def compare_runs(paths):
    """Collects the results of finished runs.

    Args:
        paths: Folders of the runs.

    Returns:
        A list of dictionaries, the metrics of each run and its folder under "run", and a list of their histories.

    Raises:
        ValueError: If a folder holds no finished run.
    """
    runs = [find_finished_run(path) for path in paths]
    rows = [{"run": str(run.path), **read_json(run.metrics)} for run in runs]
    return rows, [read_history(run.history) for run in runs]


def read_history(path):
    """Reads a run's `history.csv` as a list of dictionaries of numbers.

    Raises:
        ValueError: If it holds something else.
    """
    try:
        rows = csv.DictReader(pathlib.Path(path).read_text().splitlines())
        return [{name: int(value) if name == "epoch" else float(value) for name, value in row.items()} for row in rows]
    except (TypeError, ValueError, csv.Error) as error:  # a TypeError where a line is too short or too long
        raise ValueError(f"{path} is damaged ({error})") from None


def format_table(rows, table_format):
    """Formats results as text.

    Args:
        rows: What `compare_runs` returned first.
        table_format: `"markdown"` or `"json"`.

    Raises:
        ValueError: If the format is unknown.
    """
    if table_format not in FORMATS:
        raise ValueError(f"`format` must be one of {list(FORMATS)}. Received: format={table_format!r}")
    if table_format == "json":
        return json.dumps(rows, indent=2)
    # What no run has, such as the test error of those that are no classifiers, is left out.
    columns = {name: title for name, title in _COLUMNS.items() if any(name in row for row in rows)}
    lines = ["| " + " | ".join(columns.values()) + " |", "| " + " | ".join(["---"] * len(columns)) + " |"]
    lines += ["| " + " | ".join(_cell(name, row.get(name, "")) for name in columns) + " |" for row in rows]
    return "\n".join(lines)


def _cell(name, value):
    if value == "":
        return value
    formats = {
        "test_error": ".2f",
        "median_error": ".2f",
        "psnr": ".2f",
        "invariance_error": ".1e",
        "parameters": ",",
        "fit_seconds": ".0f",
    }
    return format(value, formats.get(name, ""))


def draw_comparison(path, rows, histories):
    """Draws the learning curves of all runs in one picture.

    Args:
        path: PNG file to write.
        rows: What `compare_runs` returned first.
        histories: What it returned second.

    Raises:
        ValueError: If a run is of another task than classification, or its history holds no loss and accuracy.
    """
    for row, history in zip(rows, histories, strict=True):
        if "test_error" not in row:
            raise ValueError(f"The runs must be of classifiers; `lights` draws others. Received: {row['run']}")
        if not history or not {"loss", "accuracy"} <= set(history[0]):
            raise ValueError(f"The history of {row['run']} is damaged (it holds no loss and accuracy)")
    figure = Figure(figsize=(12, 4.5), layout="constrained")
    for axes, quantity in zip(figure.subplots(1, 2), ("loss", "error"), strict=True):
        for i, (row, history) in enumerate(zip(rows, histories, strict=True)):
            label = f"{pathlib.Path(row['run']).name} ({row['test_error']:.2f} %)"
            axes.plot(*curve(history, "", quantity), color=f"C{i % 10}", marker=".", label=label)
            if "val_loss" in history[0]:
                axes.plot(*curve(history, "val_", quantity), color=f"C{i % 10}", marker=".", linestyle="--")
        axes.set(xlabel="epoch", ylabel="error (%)" if quantity == "error" else quantity)
        axes.set_yscale("log" if quantity == "loss" else "linear")
        axes.grid(alpha=0.3)
    axes.legend(title="run (test error); dashed: validation")
    save_figure(figure, path)
