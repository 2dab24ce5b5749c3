import keras
import numpy as np
import pytest
from helpers import to_numpy

from keras_equivariant.regularizers import EntropyRegularizer


def test_formula():
    weights = np.array([[0.25, 1.0, 0.5], [0.25, 0.0, 0.5], [0.5, 0.0, 0.0]], "float32")
    expected = 3 * (1.5 * np.log(2) + 0 + np.log(2))
    assert float(to_numpy(EntropyRegularizer(3.0)(weights))) == pytest.approx(expected, rel=1e-5)


def test_configuration():
    again = keras.regularizers.deserialize(keras.regularizers.serialize(EntropyRegularizer(0.3)))
    assert type(again) is EntropyRegularizer
    assert again.entropy == 0.3


def test_bad_factor():
    with pytest.raises(ValueError, match="`entropy` must be at least 0. Received: entropy=-1"):
        EntropyRegularizer(-1)
