"""What U-Nets on p4m and p4 cost beside an ordinary one of as many parameters: a training step, its memory, its layers.

    python benchmarks/unets.py [--size N] [--batch N] [--rounds N] [--json FILE]

Each network trains in a process of its own, in turns with the others, so that all meet the same state of the machine.
Prints for each the median seconds of a step, and of the processor for it; both as a multiple of the ordinary one's,
with the range of the rounds; the largest memory that steps add to a process with an ordinary layer trained; and how the
time of a forward pass divides among kinds of layers.
"""

import argparse
import collections
import json
import os
import resource
import subprocess
import sys
import time

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

NETWORKS = {
    "ordinary": ("unet", {}),
    "p4": ("p4m_unet", {"symmetry": "p4", "filters": (9, 17, 34, 67)}),
    "p4m": ("p4m_unet", {}),
}


def serve(name, size, batch):
    """Answers each line of the input with the figures of a step; `layers` with the seconds of each kind of layer."""
    import keras
    import numpy as np

    from keras_equivariant import zoo
    from keras_equivariant.losses import CrossentropyAndDice

    rng = np.random.default_rng(0)
    x = rng.normal(size=(batch, size, size, 3)).astype("float32")
    y = rng.integers(0, 3, (batch, size, size)).astype("int32")

    def train(model):
        model.compile(keras.optimizers.Adam(), CrossentropyAndDice(), jit_compile=False)
        return lambda: float(model.train_on_batch(x, y))

    # What TensorFlow takes for any training comes first.
    train(keras.Sequential([keras.Input((size, size, 3)), keras.layers.Conv2D(3, 1)]))()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    builder, arguments = NETWORKS[name]
    model = zoo.create(builder, input_shape=(size, size, 3), classes=3, **arguments)
    step = train(model)
    step()
    print(json.dumps({"parameters": sum(int(np.prod(w.shape)) for w in model.trainable_weights)}), flush=True)
    for line in sys.stdin:
        if line.strip() == "layers":
            print(json.dumps(by_kind(keras, model, x)), flush=True)
            continue
        start, busy = time.perf_counter(), time.process_time()
        step()
        row = {"seconds": time.perf_counter() - start, "processor": time.process_time() - busy}
        row["memory"] = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        print(json.dumps(row), flush=True)


def by_kind(keras, model, x):
    """Shares of the processor's time for a forward pass, layer by layer."""
    values, spent = {id(model.inputs[0]): keras.ops.convert_to_tensor(x)}, collections.Counter()
    for layer in model.layers[1:]:
        inputs = keras.tree.map_structure(lambda tensor: values[id(tensor)], layer.input)
        layer(inputs, **({"training": True} if "Batch" in type(layer).__name__ else {}))
        start = time.process_time()
        values[id(layer.output)] = layer(inputs, **({"training": True} if "Batch" in type(layer).__name__ else {}))
        spent[type(layer).__name__] += time.process_time() - start
    return {kind: round(seconds / spent.total(), 3) for kind, seconds in spent.most_common()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", help="file to append the rows to, a line for each")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve, arguments.size, arguments.batch)
        return
    processes, rows = {}, {}
    for name in NETWORKS:
        command = [sys.executable, __file__, "--serve", name, "--size", str(arguments.size)]
        command += ["--batch", str(arguments.batch)]
        processes[name] = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        rows[name] = {"network": name, **json.loads(processes[name].stdout.readline())}

    def ask(name, line):
        processes[name].stdin.write(line + "\n")
        processes[name].stdin.flush()
        return json.loads(processes[name].stdout.readline())

    rounds = [{name: ask(name, "step") for name in NETWORKS} for _ in range(arguments.rounds)]
    for name, row in rows.items():
        for key in ("seconds", "processor"):
            ratios = sorted(found[name][key] / found["ordinary"][key] for found in rounds)
            row[key] = round(sorted(found[name][key] for found in rounds)[len(rounds) // 2], 3)
            row[f"{key}_ratio"] = [round(ratios[i], 2) for i in (len(ratios) // 2, 0, -1)]
        row["memory_mib"] = round(rounds[-1][name]["memory"])
        row["memory_ratio"] = round(row["memory_mib"] / rows["ordinary"]["memory_mib"], 2)
        row["layers"] = ask(name, "layers")
        print(json.dumps(row), flush=True)
        if arguments.json:
            with open(arguments.json, "a") as file:
                file.write(json.dumps(row) + "\n")
    for process in processes.values():
        process.stdin.close()
        process.wait()


if __name__ == "__main__":
    main()
