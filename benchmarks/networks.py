"""The networks of a useful size against the ordinary ones of as many parameters: steps, predictions, memory, latency.

    python benchmarks/networks.py [NETWORK ...] [--size 224] [--batch 4] [--json results.jsonl]
    python benchmarks/networks.py --latency [NETWORK ...]        # of exported planar models instead

For each network and each way to compile it (TensorFlow as a graph and with XLA, JAX), all in one process and in turn:
the time of a training step over that of the ordinary network, and the time of a prediction over that of the ordinary
network averaged over all eight turned and mirrored inputs. The peak of memory of a step, compilation
included, is measured in a process for each. Dense networks take pictures of at least 96 pixels.

With `--latency`: milliseconds that the exported planar network and the exported ordinary one take for 1 picture and for
32, in ONNX Runtime, LiteRT and TensorFlow's SavedModel.
"""

import argparse
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

WIDE = {"depth": 16, "widen_factor": 8}
# For each: the builder and arguments of the network on the group, and of the ordinary one of about as many parameters.
NETWORKS = {
    "p4m_resnet18": (("p4m_resnet18", {}), ("resnet18", {})),
    "p4m_resnet18, separable": (("p4m_resnet18", {"separable": True, "filters": 64}), ("resnet18", {})),
    "p4m_resnet50": (("p4m_resnet50", {}), ("resnet50", {})),
    "p4m_wide_resnet 16-8": (("p4m_wide_resnet", WIDE), ("wide_resnet", WIDE)),
    "p4m_wide_resnet 16-8, separable, as wide": (
        ("p4m_wide_resnet", WIDE | {"separable": True}),
        ("wide_resnet", {"depth": 16, "widen_factor": 2.84}),
    ),
    "p4m_densenet": (("p4m_densenet", {}), ("densenet", {})),
}
MODES = {"graph": "tensorflow", "xla": "tensorflow", "jax": "jax"}
KINDS = ("group", "ordinary")
ELEMENTS = 8


def build(network, kind, size):
    from keras_equivariant import zoo

    name, arguments = NETWORKS[network][KINDS.index(kind)]
    size = max(size, 96) if "densenet" in name else size
    return zoo.create(name, **arguments, input_shape=(size, size, 3), classes=10)


def compiled(network, kind, mode, size, batch):
    """The network, ready for steps, and a batch of random pictures with their classes."""
    import keras
    import numpy as np

    model = build(network, kind, size)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.01), loss, jit_compile=mode != "graph")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(batch, *model.input_shape[1:])).astype("float32")
    return model, x, rng.integers(0, 10, batch)


def compare(network, mode, size, batch, rounds):
    """Ratios of the times of steps and predictions, and the parameters."""
    import numpy as np
    from timing import time_ratio

    models, steps, predictions = {}, [], []
    for kind in KINDS:
        model, x, y = compiled(network, kind, mode, size, batch)
        models[kind] = model
        steps.append(lambda model=model, x=x, y=y: model.train_on_batch(x, y))
        turned = np.concatenate([x] * ELEMENTS) if kind == "ordinary" else x
        predictions.append(lambda model=model, x=turned: model.predict_on_batch(x))
    row = {"network": network, "mode": mode, "size": x.shape[1], "batch": batch}
    row |= {f"parameters_{kind}": model.count_params() for kind, model in models.items()}
    for what, functions in (("step", steps), ("prediction_against_averaging", predictions)):
        times, ratio, interval = time_ratio(*functions, rounds)
        row[what] = round(ratio, 2)
        row[f"{what}_interval"] = interval.round(2).tolist()
        row[f"{what}_seconds"] = times.round(4).tolist()
    return row


def peak_memory(network, kind, mode, size, batch):
    """Megabytes that building, compiling and three steps add to an empty process."""
    import keras  # noqa: F401 - is to be loaded before

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    model, x, y = compiled(network, kind, mode, size, batch)
    for _ in range(3):
        model.train_on_batch(x, y)
    return {"megabytes": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024}


def latency(network, size, rounds):
    """Milliseconds of predictions of exported networks, the one on the group planar; each the median."""
    import numpy as np
    from keras_equivariant.training.export.formats import export, load

    from keras_equivariant.planar import to_planar

    row = {"network": network}
    for kind in KINDS:
        model = build(network, kind, size)
        model = to_planar(model) if kind == "group" else model
        x = np.random.default_rng(0).normal(size=(32, *model.input_shape[1:])).astype("float32")
        expected = model.predict(x, verbose=0)
        for file_format, ending in {"onnx": ".onnx", "litert": ".tflite", "saved_model": ""}.items():
            with tempfile.TemporaryDirectory() as folder:
                path = pathlib.Path(folder) / f"model{ending}"
                export(model, path, file_format, x[:4], expected[:4])
                run = load(path, file_format)
                for batch in (1, 32):
                    times = []
                    for _ in range(rounds + 2):
                        start = time.perf_counter()
                        run(x[:batch])
                        times.append(time.perf_counter() - start)
                    row[f"{file_format}_{batch}_{kind}"] = round(1e3 * float(np.median(times[2:])), 2)
    return row | {"size": x.shape[1]}


def in_a_process(mode, *arguments):
    """The JSON that this script prints in a process of its own."""
    environment = os.environ | {"KERAS_BACKEND": MODES.get(mode, "tensorflow"), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, __file__, *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if result.returncode != 0:
        return {"failed": (result.stderr.strip().splitlines() or [f"exit status {result.returncode}"])[-1][:300]}
    return json.loads(result.stdout.splitlines()[-1])


def rows(arguments):
    common = ("--size", arguments.size, "--batch", arguments.batch, "--rounds", arguments.rounds)
    for network in arguments.networks:
        if arguments.latency:
            yield {"network": network} | in_a_process("graph", network, *common, "--part", "latency")
            continue
        for mode in arguments.modes:
            row = in_a_process(mode, network, *common, "--part", f"compare {mode}")
            peaks = [in_a_process(mode, network, *common, "--part", f"memory {mode} {kind}") for kind in KINDS]
            if all("megabytes" in peak for peak in peaks):
                row["memory"] = round(peaks[0]["megabytes"] / peaks[1]["megabytes"], 2)
                row["megabytes"] = [round(peak["megabytes"]) for peak in peaks]
            yield {"network": network, "mode": mode} | row


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=list(NETWORKS), help=", ".join(NETWORKS))
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES))
    parser.add_argument("--size", type=int, default=32, help="side of the pictures in pixels")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--latency", action="store_true", help="of exported models instead")
    parser.add_argument("--json", help="file to append the rows to, a line for each")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        (network,) = arguments.networks
        part, *rest = arguments.part.split()
        if part == "latency":
            print(json.dumps(latency(network, arguments.size, arguments.rounds)))
        elif part == "compare":
            print(json.dumps(compare(network, *rest, arguments.size, arguments.batch, arguments.rounds)))
        else:
            mode, kind = rest
            print(json.dumps(peak_memory(network, kind, mode, arguments.size, arguments.batch)))
        return
    for row in rows(arguments):
        print(json.dumps(row), flush=True)
        if arguments.json:
            with open(arguments.json, "a") as file:
                file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
