"""The networks of `keras.applications`, converted: what becomes of them, and what a step and a prediction cost.

    python benchmarks/applications.py --json results.jsonl                  # all, 224x224, p4, minutes for each
    python benchmarks/applications.py ResNet50 MobileNetV2 --symmetry p4m

For each network, without trained weights: its parameters and those of the converted ones; which sizes are exact; the
equivariance error at 224 pixels as it is and with `exact=True`; and, each in a process of its own, seconds of a step of
training and of a prediction of 4 pictures and the peak of memory: of the network as it is, converted with as many
parameters, and converted with the same widths, as for copied weights. Times are ratios to the network as it is;
averaging its predictions over all turned inputs takes as many times as the group has elements.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
import warnings

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

NETWORKS = (
    "ResNet50",
    "ResNet50V2",
    "ResNet101",
    "VGG16",
    "DenseNet121",
    "MobileNet",
    "MobileNetV2",
    "MobileNetV3Small",
    "EfficientNetB0",
    "EfficientNetV2B0",
    "Xception",
    "InceptionV3",
    "NASNetMobile",
    "ConvNeXtTiny",
)
_KINDS = ("ordinary", "parameters", "same")
_BATCH = 4


def build(network, size):
    import keras

    top = {"classes": 100, "classifier_activation": None}
    top = {"include_top": False, "pooling": "avg"} if network == "VGG16" else top
    return getattr(keras.applications, network)(weights=None, input_shape=(size, size, 3), **top)


def randomise_statistics(model):
    """Gives the norms statistics of their own: those that they start with let hardly anything through."""
    import keras
    import numpy as np

    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in layer.get_weights()])
    return model


def convert(network, size, symmetry, **arguments):
    from keras_equivariant.convert import to_group_equivariant

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return to_group_equivariant(build(network, size), symmetry, **arguments)


def describe(network, symmetry):
    """Parameters, sizes and errors; or why the network cannot be converted."""
    import numpy as np

    from keras_equivariant.convert import exact_sizes, to_group_equivariant
    from keras_equivariant.equivariance import equivariance_error

    ordinary = randomise_statistics(build(network, 224))
    row = {"network": network, "symmetry": symmetry, "parameters": ordinary.count_params()}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            same = to_group_equivariant(ordinary, symmetry, weights="copy")
    except ValueError as error:
        return {**row, "refused": str(error)}
    row["parameters_same"] = same.count_params()
    # Some networks pad by the parity of the size that they are built with.
    row["exact_sizes"] = exact_sizes(ordinary, range(190, 260)) or [
        size for size in (193, 199, 221, 225, 257) if exact_sizes(build(network, size), [size])
    ]
    pictures = np.random.default_rng(0).normal(size=(2, 224, 224, 3)).astype("float32")
    row["error"] = equivariance_error(same, pictures, symmetry)
    for name, arguments in (("exact", {"exact": True}), ("parameters", {"widths": "parameters"})):
        try:
            model = convert(network, 224, symmetry, **arguments)
        except ValueError as error:
            row[f"refused_{name}"] = str(error)
            continue
        if name == "exact":
            row["error_exact"] = equivariance_error(randomise_statistics(model), pictures, symmetry)
        else:
            row["parameters_parameters"] = model.count_params()
    return row


def measure(network, symmetry, kind):
    """Seconds of a step and of a prediction, and the peak of memory above that of an empty process, in MiB."""
    import keras
    import numpy as np

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    model = build(network, 224) if kind == "ordinary" else convert(network, 224, symmetry, widths=kind)
    model.compile("sgd", "mse", jit_compile=False)
    x = np.random.default_rng(0).normal(size=(_BATCH, 224, 224, 3)).astype("float32")
    y = np.zeros((_BATCH, model.output_shape[-1]), "float32")
    seconds = {}
    for name, run in (("step", lambda: model.train_on_batch(x, y)), ("prediction", lambda: model.predict_on_batch(x))):
        run()
        times = []
        for _ in range(3):
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
        seconds[name] = min(times)
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return {**seconds, "memory": peak, "backend": keras.config.backend()}


def in_a_process(*arguments):
    """The JSON that this script prints in a process of its own."""
    result = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        return {"failed": result.stderr.strip().splitlines()[-1][:300]}
    return json.loads(result.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=NETWORKS)
    parser.add_argument("--symmetry", default="p4")
    parser.add_argument("--json", help="file to append the rows to, a line for each network")
    parser.add_argument("--part", choices=("describe", *_KINDS), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        (network,) = arguments.networks
        part = (arguments.part,) if arguments.part in _KINDS else ()
        print(json.dumps((measure if part else describe)(network, arguments.symmetry, *part)))
        return
    for network in arguments.networks:
        row = in_a_process(network, "--symmetry", arguments.symmetry, "--part", "describe")
        kinds = ("ordinary",) if "refused" in row or "failed" in row else _KINDS
        parts = {kind: in_a_process(network, "--symmetry", arguments.symmetry, "--part", kind) for kind in kinds}
        for kind in kinds[1:]:
            for name in ("step", "prediction", "memory"):
                if name in parts[kind]:
                    row[f"{name}_{kind}"] = round(parts[kind][name] / parts["ordinary"][name], 2)
        row |= {f"{name}_seconds": round(parts["ordinary"].get(name, 0), 3) for name in ("step", "prediction")}
        row["failures"] = {kind: part["failed"] for kind, part in parts.items() if "failed" in part}
        print(json.dumps(row), flush=True)
        if arguments.json:
            with open(arguments.json, "a") as file:
                file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
