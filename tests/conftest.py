import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("JAX_ENABLE_X64", "1")  # without it JAX computes float64 layers in float32

import keras
import pytest


@pytest.fixture(autouse=True)
def fixed_seed():
    keras.utils.set_random_seed(0)


@pytest.fixture
def tensorflow_backend():
    """Skips a test of what only TensorFlow does."""
    if keras.config.backend() != "tensorflow":
        pytest.skip("needs the TensorFlow backend")
