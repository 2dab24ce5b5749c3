"""Figures of one accelerator in a few minutes: layers, networks, CIFAR-10. It needs Keras, JAX and NumPy alone.

    python benchmarks/device.py --output RESULTS.json [--stages NAME ...] [--minutes N] [--data-dir DIR] [--scale X]
    python benchmarks/device.py --pack cifar10.npz FOLDER        # into four files, to be carried one by one
    python benchmarks/device.py --join FOLDER                    # and back into one

Stages: `check` (does everything run: matrix products, a copy, a layer, the input alone), `layers` (planar and spectral
group convolutions), `networks` (against ordinary ones of as many parameters), `cifar10` (trainings), `published`
(networks at the width that their paper gives, once the zoo has them).

Each result is written as soon as it is there. Called again with the same file, it leaves out what is in it, and does
again what the time has cut short. It ends by itself after `--minutes`: no measurement begins later, and trainings stop.
`--scale 0.01` tries all of it on a CPU, on a hundredth of the images, with small layers and networks: figures of that
only say that it runs. CIFAR-10 is `cifar10.npz` in `--data-dir`; without it, images are made up, and the errors say
nothing.
"""

import argparse
import functools
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
import traceback

os.environ["KERAS_BACKEND"] = "jax"
sys.modules.setdefault("tensorflow", None)  # never loaded, even where it is installed

import device_layers
import device_training
import jax

STAGES = {"check": 1.5, "layers": 4.0, "networks": 2.5, "cifar10": 60.0, "published": 2.0}  # minutes at most
TRAININGS = [  # recipe, model, share of its epochs, its seconds at most
    ("cifar10_light", "offset_resnet20", 1.0, 240),
    ("cifar10_light_original", "resnet20", 1.0, 240),
    ("cifar10_all_cnn", "all_cnn_c", 0.1, 120),
    ("cifar10_all_cnn", "p4_all_cnn_c", 0.1, 180),
    ("cifar10_all_cnn", "p4m_all_cnn_c", 0.1, 240),
    ("cifar10_plus_resnet44", "resnet44", 0.1, 120),
    ("cifar10_plus_resnet44", "p4m_resnet44", 0.1, 300),
]


def jobs_of(stage, arguments):
    """The measurements of a stage: names and functions, the most telling first."""
    scale, data = arguments.scale, arguments.data_dir
    part = functools.partial
    if stage == "check":
        for name in device_layers.PRECISIONS:
            yield f"peak {name}", part(device_layers.peak, name, scale)
        yield "bandwidth", part(device_layers.bandwidth, scale)
        yield "feeding cifar10_light", part(device_training.feeding, "cifar10_light", data, scale)
        yield "feeding cifar10_light_jitter", part(device_training.feeding, "cifar10_light_jitter", data, scale)
    if stage in ("check", "layers"):
        small = stage == "check" or scale < 0.1
        for channels in (16,) if small else (64, 128, 32, 256, 16):
            for symmetry in ("p4m", "p4") if small else ("p4m", "p4", "p8"):
                for kernel_size in (3, 1):
                    for name in ("TF32",) if stage == "check" else ("TF32", "bfloat16", "float32"):
                        for implementation in ("planar", "spectral") if symmetry != "p8" else ("planar",):
                            case = (symmetry, name, channels, kernel_size, implementation)
                            title = f"layer {symmetry} {name} C{channels} k{kernel_size} {implementation}"
                            yield title, part(device_layers.layer, *case, scale)
    if stage == "networks":
        for pair in device_layers.NETWORKS[:-1]:
            for name in ("TF32", "bfloat16"):
                for model, implementation in ((pair[1], "auto"), (pair[0], "planar"), (pair[0], "spectral")):
                    if implementation != "spectral" or pair[0].startswith(("p4_", "p4m_")):
                        title = f"network {model} {name} {implementation}"
                        yield title, part(device_layers.network, model, name, implementation, scale)
        yield "network escnn", part(device_layers.escnn, scale)
    if stage == "published":
        for model in device_layers.NETWORKS[-1]:
            yield f"network {model} TF32 auto", part(device_layers.network, model, "TF32", "auto", scale)
    if stage == "cifar10":
        for recipe, model, share, seconds in TRAININGS:
            share = share if scale == 1 else share * min(1.0, 5 * scale)
            how = (recipe, model, share, data, scale)
            yield (
                f"cifar10 {recipe} {model}",
                lambda how=how, seconds=seconds: device_training.cifar10(
                    *how, min(seconds, max(1.0, arguments.end - time.monotonic()))
                ),
            )


def about():
    """The device, its driver and the versions."""
    device = jax.devices()[0]
    driver = ""
    try:
        query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
        driver = subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        pass
    packages = ("jax", "jaxlib", "keras", "numpy")
    return {
        "device": f"{device.platform} {device.device_kind}",
        "driver": driver,
        "processor": f"{platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        **{package: importlib.metadata.version(package) for package in packages},
    }


def write(path, results):
    """Replaces the file as a whole."""
    with open(f"{path}.partial", "w") as file:
        json.dump(results, file, indent=1)
    os.replace(f"{path}.partial", path)


def is_done(result):
    """Whether a result needs no second try."""
    early = result.get("epochs", 1) < result.get("planned_epochs", 1)
    return "error" not in result and not early


def share_of_peak(name, found, results):
    """What a layer reaches of the large matrix product in its precision, counted as the planar convolution."""
    peaks = [results.get(f"peak {part}", {}).get("flops_a_second") for part in name.split()]
    peak = next((value for value in peaks if value), None)
    if not name.startswith("layer") or peak is None or "flops_a_second" not in found:
        return {}
    return {"share_of_peak": found["flops_a_second"] / peak}


def run_stage(stage, arguments, results):
    end = min(arguments.end, time.monotonic() + 60 * STAGES[stage])
    for name, job in jobs_of(stage, arguments):
        if name in results and is_done(results[name]):
            continue
        if time.monotonic() > end:
            print(f"{stage}: its time is up before {name}", flush=True)
            return
        start = time.monotonic()
        try:
            found = job()
        except Exception as error:  # too large for the memory, say: the others go on
            traceback.print_exc(limit=-2)
            found = {"error": f"{type(error).__name__}: {str(error)[:300]}"}
        share = share_of_peak(name, found, results)
        results[name] = {**found, **share, "wall_seconds": round(time.monotonic() - start, 2), "scale": arguments.scale}
        write(arguments.output, results)
        jax.clear_caches()
        shown = ("seconds", "flops_a_second", "images_a_second", "test_error", "epochs", "left_out", "error")
        print(name, {key: found[key] for key in shown if key in found}, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", default="device.json")
    parser.add_argument("--stages", nargs="+", default=list(STAGES), choices=list(STAGES), metavar="NAME")
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--data-dir")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--pack", nargs=2, metavar=("FILE", "FOLDER"))
    parser.add_argument("--join", metavar="FOLDER")
    arguments = parser.parse_args()
    if arguments.pack:
        return device_training.pack(*arguments.pack)
    if arguments.join:
        return device_training.join(arguments.join)
    arguments.end = time.monotonic() + 60 * arguments.minutes
    results = {}
    if os.path.exists(arguments.output):
        with open(arguments.output) as file:
            results = json.load(file)
    results["about"] = about()
    write(arguments.output, results)
    print(results["about"], flush=True)
    for stage in arguments.stages:
        run_stage(stage, arguments, results)
    print("done", flush=True)


if __name__ == "__main__":
    main()
