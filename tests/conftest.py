import gc
import os
import random

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("JAX_ENABLE_X64", "1")  # without it JAX computes float64 layers in float32
if "PYTEST_XDIST_WORKER" in os.environ:
    # Matrix products that each use all cores wait for one another. TensorFlow's threads are left alone: with a single
    # one, two replicas wait for each other for ever.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# Most of XLA's time here is its compiler's, on operations that run once or twice: it is asked for quick code, not for
# fast code. With KERAS_EQUIVARIANT_ALL_CASES=1, of a nightly run, it compiles as it does for everyone.
if not os.environ.get("KERAS_EQUIVARIANT_ALL_CASES"):
    os.environ.setdefault(
        "XLA_FLAGS",
        "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true "
        "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1",
    )

import helpers
import keras
import numpy as np
import pytest

from keras_equivariant import equivariance, interpolation, planar_check

for module in (equivariance, interpolation, planar_check):
    module.infer = helpers.infer  # quicker on JAX


def pytest_collection_modifyitems(items):
    """Files of few and long tests first, so that at the end no worker is left alone with one."""
    items.sort(key=lambda item: "keras_equivariant" in item.nodeid)


def pytest_collection_finish():
    """All that is imported stays: it need not be looked through for garbage again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def fixed_seed():
    # Initialisers and layers take their seeds from Python. To set TensorFlow's own would empty its cache of operations.
    random.seed(0)
    np.random.seed(0)


@pytest.fixture
def tensorflow_backend():
    """Skips a test of what only TensorFlow does."""
    if keras.config.backend() != "tensorflow":
        pytest.skip("needs the TensorFlow backend")


@pytest.fixture
def once():
    """Skips, on other backends than TensorFlow, a test of what none has a part in, such as the layers of a network.

    JAX compiles how each of their weights begins.
    """
    if keras.config.backend() != "tensorflow" and not os.environ.get("KERAS_EQUIVARIANT_ALL_CASES"):
        pytest.skip("is the same on each backend")
