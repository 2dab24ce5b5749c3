"""Models that are built, fitted and dropped leave nothing behind."""

import gc
import os
import pathlib
import weakref

import keras
import pytest
from helpers import random_array

from keras_equivariant import layers

pytestmark = pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="other backends keep compiled functions")

# Allocators round up, so memory can be told only over many cycles, by hand:
# KERAS_EQUIVARIANT_CYCLES=1000 pytest -s tests/keras_equivariant/test_cycles.py
CYCLES = int(os.environ.get("KERAS_EQUIVARIANT_CYCLES", "0"))
# TensorFlow keeps the gradients of all functions that it traces in a registry, and with them their graphs: 1 MB a cycle
# for an ordinary model, 5 MB for one of offset layers, whose graph is larger. With the registry emptied, nothing grows.
KILOBYTES = {"plain": 2000, "group": 2000, "offset": 8000}
MODELS = {
    "plain": lambda: [keras.layers.Conv2D(6, 3), keras.layers.MaxPooling2D(2), keras.layers.BatchNormalization()],
    "group": lambda: [layers.GroupConv2D(2, 3), layers.GroupMaxPooling2D(2), layers.CosetPooling("p4")],
    "offset": lambda: [layers.OffsetConv2D(6, 3), layers.OffsetBatchNormalization(), layers.OffsetReLU()],
}


def cycle(name):
    """Builds, fits and drops a model; returns weak references to its layers."""
    model = keras.Sequential([keras.Input((6, 6, 3)), *MODELS[name](), keras.layers.Flatten(), keras.layers.Dense(1)])
    model.compile("sgd", "mse", jit_compile=False)
    model.fit(random_array(4, 6, 6, 3), random_array(4, 1), verbose=0)
    references = [weakref.ref(layer) for layer in model.layers]
    del model
    keras.utils.clear_session()
    gc.collect()
    return references


def usage():
    """Open files, and resident memory in kB."""
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return len(os.listdir("/proc/self/fd")), pages * os.sysconf("SC_PAGE_SIZE") // 1024


needs_proc = pytest.mark.skipif(not pathlib.Path("/proc/self/statm").exists(), reason="needs /proc")


@needs_proc
@pytest.mark.parametrize("name", ["group", "offset"])
def test_dropped_models_leave_no_layer_and_no_open_file(name):
    cycle(name)
    files, _ = usage()
    references = cycle(name)
    assert not any(reference() for reference in references)
    files_after, _ = usage()
    assert files_after == files


@needs_proc
@pytest.mark.skipif(not CYCLES, reason="takes many cycles: KERAS_EQUIVARIANT_CYCLES=1000")
@pytest.mark.parametrize("name", MODELS)
def test_memory_stays_flat(name):
    cycle(name)
    files, memory = usage()
    for _ in range(CYCLES):
        cycle(name)
        gc.freeze()  # what is still alive stays so, in that registry; to look through it again takes seconds
    files_after, memory_after = usage()
    growth = (memory_after - memory) / CYCLES
    print(f"{name}: {CYCLES} cycles, {files_after - files:+} open files, {growth:+.0f} kB of memory a cycle")
    assert files_after == files
    assert growth < KILOBYTES[name]
