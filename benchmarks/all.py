"""Runs all timings, one after the other, and draws the ratios of those that compare two ways.

    python benchmarks/all.py [--output DIR] [--only NAME]

Each script's output goes to `DIR/NAME.txt`; ratios with their 95 % intervals to `DIR/ratios.csv` and `DIR/ratios.png`;
the machine and the versions to `DIR/machine.json`. About forty minutes on two idle cores.
"""

import argparse
import csv
import importlib.metadata
import importlib.util
import json
import os
import pathlib
import platform
import subprocess
import sys

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt

HERE = pathlib.Path(__file__).parent
SCRIPTS = {
    "spectral": ["spectral.py"],
    "spectral_jax": ["spectral.py", "--backend", "jax", "--cases", "p4m k3"],
    "spectral_sweep": ["spectral.py", "--sweep"],
    "spectral_memory": ["spectral.py", "--memory"],
    "networks": ["spectral.py", "--models", "--rounds", "5"],
    "expansion": ["group_conv.py"],
    "offset": ["offset.py"],
    "entropy": ["entropy.py"],
    "start": ["start.py"],
}
WITH_RATIOS = ("spectral", "spectral_jax", "spectral_sweep", "networks")
PACKAGES = ("tensorflow", "jax", "keras", "numpy", "scipy")


def describe_machine():
    versions = {name: importlib.metadata.version(name) for name in PACKAGES if importlib.util.find_spec(name)}
    processor = platform.processor() or platform.machine()
    return {"processor": processor, "cores": os.cpu_count(), "python": platform.python_version()} | versions


def run(name, output):
    command = [sys.executable, str(HERE / SCRIPTS[name][0]), *SCRIPTS[name][1:]]
    if name in WITH_RATIOS:
        command += ["--json", str(output / f"{name}.json")]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=HERE.parent)
    (output / f"{name}.txt").write_text(result.stdout)
    print(
        f"== {name}{'' if result.returncode == 0 else ' FAILED: ' + result.stderr[-500:]}\n{result.stdout}", flush=True
    )


def draw(rows, path):
    labels = [f"{row['case']}, {row['mode']}, against {row['against']}" for row in rows]
    ratios = [row["ratio"] for row in rows]
    errors = [[row["ratio"] - row["interval"][0] for row in rows], [row["interval"][1] - row["ratio"] for row in rows]]
    figure, axes = plt.subplots(figsize=(9, 1 + 0.25 * len(rows)), layout="constrained")
    axes.barh(labels, ratios, xerr=errors)
    axes.invert_yaxis()
    axes.axvline(1, color="black")
    axes.set_xlabel("times faster")
    figure.savefig(path, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("benchmark_results"))
    parser.add_argument("--only", default="", help="only scripts whose name contains this")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "machine.json").write_text(json.dumps(describe_machine(), indent=2))
    for name in SCRIPTS:
        if arguments.only in name:
            run(name, arguments.output)
    files = [arguments.output / f"{name}.json" for name in WITH_RATIOS]
    rows = [row for file in files if file.exists() for row in json.loads(file.read_text())]
    if rows:
        with open(arguments.output / "ratios.csv", "w", newline="") as file:
            writer = csv.DictWriter(file, ["case", "mode", "auto", "against", "milliseconds", "ratio", "interval"])
            writer.writeheader()
            writer.writerows(rows)
        draw(rows, arguments.output / "ratios.png")


if __name__ == "__main__":
    main()
