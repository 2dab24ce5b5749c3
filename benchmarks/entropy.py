"""Speed, error and memory of the diffusion spectral entropy against the authors' package `dse-dsmi`.

    pip install --no-deps dse-dsmi
    python benchmarks/entropy.py [--sizes 2000 4000] [--large 10000] [--rounds N] [--json FILE]

Both run in one process, in turn, so with the same LAPACK and on the same machine; times include everything from the
points to the number. NumPy and SciPy bring an OpenBLAS each: the first line says how the two compare. The large sizes
are done once and not exactly. Embeddings are those of MNIST, if the environment variable KERAS_EQUIVARIANT_TFDS names
a folder of TFDS data sets, or else of noisy handwritten digits. Beside other work compare processor time, with one
thread:

    OPENBLAS_NUM_THREADS=1 python benchmarks/entropy.py --cpu
"""

import argparse
import json
import os
import subprocess
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import scipy.linalg

from keras_equivariant.entropy import diffusion_spectral_entropy, median_bandwidth

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
KINDS = ("blobs", "uniform", "tree", "trained", "untrained")
SIGMA = 10.0  # of the simulated data; half the median distance of embeddings, whose scale is their own


def make_points(kind, count):
    random = np.random.default_rng(0)
    if kind == "blobs":
        return 5 * random.normal(size=(10, 64))[random.integers(10, size=count)] + random.normal(size=(count, 64))
    if kind == "uniform":
        return random.uniform(-5, 5, (count, 20))
    if kind == "tree":
        from keras_equivariant.training.studies.simulated import tree

        return tree(random, 10, count)[0]
    return embeddings(kind == "trained", count)


def embeddings(trained, count):
    import keras
    from keras_equivariant.training.studies.images import CONVNET, build_classifier, compile_classifier, load_images

    keras.utils.set_random_seed(0)
    data_dir = os.environ.get("KERAS_EQUIVARIANT_TFDS")
    data, _ = load_images("mnist" if data_dir else "digits", data_dir, 6000, count)
    images = data.test.images
    if len(images) < count:
        random = np.random.default_rng(0)
        images = images[random.integers(len(images), size=count)]
        images = (images + 0.3 * random.normal(size=images.shape)).astype("float32")
    model = compile_classifier(build_classifier(CONVNET, images.shape[1:], data.classes))
    if trained:
        model.fit(data.train.images, data.train.labels, 100, 2, verbose=0)
    return keras.Model(model.inputs, model.layers[-2].output).predict(images, verbose=0).astype("float64")


def ways(sigma):
    from dse_dsmi import diffusion_spectral_entropy as package

    return {
        "package": lambda x: (package(x, gaussian_kernel_sigma=sigma), 0.0),
        "exact": lambda x: diffusion_spectral_entropy(x, sigma, max_points=None, return_error=True),
        "approximate": lambda x: diffusion_spectral_entropy(
            x, sigma, method="approximate", max_points=None, return_error=True
        ),
    }


def compare(kind, size, rounds, names, clock):
    x = make_points(kind, size)
    functions = ways(median_bandwidth(x) / 2 if kind.endswith("trained") else SIGMA)
    seconds = {name: {"wall": [], "cpu": []} for name in names}
    results = {}
    for name in names:
        functions[name](x[:1200])  # warms up
    for _ in range(rounds):
        for name in names:
            starts = {which: read() for which, read in CLOCKS.items()}
            results[name] = functions[name](x)
            for which, read in CLOCKS.items():
                seconds[name][which].append(read() - starts[which])
    medians = {name: {which: float(np.median(values)) for which, values in of.items()} for name, of in seconds.items()}
    value, estimate = results["approximate"]
    row = {"kind": kind, "size": size, "entropy": float(results["package"][0]), "seconds": medians}
    row["ratio"] = {name: medians["package"][clock] / medians[name][clock] for name in names}
    row |= {"error": value - row["entropy"], "estimate": estimate}
    if "exact" in results:
        row["exact_error"] = results["exact"][0] - row["entropy"]
    exact = f"{row['ratio']['exact']:>7.2f}" if "exact" in results else "      -"
    print(
        f"{kind:<10}{size:>6}{row['entropy']:>9.4f}{medians['package'][clock]:>9.2f} s{exact}"
        f"{row['ratio']['approximate']:>9.1f}{row['error']:>11.5f}{estimate:>10.5f}",
        flush=True,
    )
    return row


def compare_lapacks(size, rounds, clock):
    """Seconds that NumPy's LAPACK, which the package uses, takes for eigenvalues, over those of SciPy's, ours."""
    factor = np.random.default_rng(0).normal(size=(size, size))
    matrix, ratios = factor + factor.T, []
    for _ in range(rounds):
        times = []
        for solve in (np.linalg.eigvalsh, lambda a: scipy.linalg.eigvalsh(a, driver="evd", check_finite=False)):
            start = CLOCKS[clock]()
            solve(matrix)
            times.append(CLOCKS[clock]() - start)
        ratios.append(times[0] / times[1])
    return float(np.median(ratios))


def peak_memory(name, size):
    """MiB that one way needs beyond those in use before it starts, in a process of its own, on Linux."""
    code = f"import entropy; print(entropy.measure_memory({name!r}, {size}))"
    folder = os.path.dirname(os.path.abspath(__file__))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([folder, *sys.path])}
    output = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return float(output.stdout.split()[-1])


def measure_memory(name, size):
    function, x = ways(SIGMA)[name], make_points("blobs", size)
    function(x[:300])
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # forgets the peak so far; Linux only
    before = _memory("VmRSS")
    function(x)
    return _memory("VmHWM") - before


def _memory(field):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith(field))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="*", default=[2000, 4000])
    parser.add_argument("--large", type=int, nargs="*", default=[10000])
    parser.add_argument("--kinds", nargs="*", default=KINDS, choices=KINDS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", type=int, default=4000, help="number of points, or 0")
    parser.add_argument("--json", help="file to write the results to")
    parser.add_argument("--cpu", action="store_true", help="compare processor time; with one thread, on a busy machine")
    arguments = parser.parse_args()
    clock = "cpu" if arguments.cpu else "wall"
    rows, memory = [], {}
    lapacks = compare_lapacks(1000, 5, clock)
    print(f"eigenvalues of 1000 x 1000: NumPy's LAPACK takes {lapacks:.2f} times as long as SciPy's")
    print("kind        size  entropy   package  exact x  approx x   error   estimate")
    for size in arguments.sizes:
        rows += [
            compare(kind, size, arguments.rounds, ("package", "exact", "approximate"), clock)
            for kind in arguments.kinds
        ]
    for size in arguments.large:
        rows += [compare(kind, size, 1, ("package", "approximate"), clock) for kind in arguments.kinds]
    if arguments.memory:
        memory = {name: peak_memory(name, arguments.memory) for name in ("package", "exact", "approximate")}
        for name, mebibytes in memory.items():
            print(f"{name}: {mebibytes:.0f} MiB at {arguments.memory} points, {mebibytes / memory['package']:.2f}")
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump({"clock": clock, "lapacks": lapacks, "rows": rows, "memory": memory}, file, indent=2)


if __name__ == "__main__":
    main()
