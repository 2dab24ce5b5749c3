"""One look at whether a lowered model computes what the model does."""

import keras
import numpy as np
from keras import tree

from keras_equivariant.inference import infer

_TOLERANCE = 1e-4  # of the largest output
_IN_LOW_PRECISION = 0.1
_ROUNDED = np.float32(1 + 2**-21)
_SIZES = (32, 64, 97)  # to try where a model leaves its sizes open


def check_same(model: keras.Model, planar: keras.Model) -> None:
    """Compares two models on one random input, in inference mode.

    Args:
        model: The model as it was.
        planar: The lowered one.

    Raises:
        ValueError: If their outputs differ by more than rounding explains.
    """
    low = any(layer.compute_dtype not in ("float32", "float64", None) for layer in _layers(model))
    outputs = None
    for size in _SIZES if any(None in x.shape[1:] for x in model.inputs) else _SIZES[:1]:
        inputs = _random_inputs(model, size)
        try:
            outputs = _numbers(model, inputs)
            break
        except Exception:  # a size that is too small raises a backend's own error
            continue
    if outputs is None:
        return
    # Some models enlarge the rounding of their first layers: those with a logarithm of nearly black pixels, say.
    rounded = _numbers(model, tree.map_structure(lambda x: x if "int" in str(x.dtype) else x * _ROUNDED, inputs))
    for before, near, after in zip(outputs, rounded, _numbers(planar, inputs), strict=True):
        largest = np.abs(before).max(initial=0.0)
        difference = np.abs(before - after).max(initial=0.0)
        rounding = 30 * np.abs(before - near).max(initial=0.0)
        if not difference <= (_IN_LOW_PRECISION if low else _TOLERANCE) * max(largest, 1e-6) + rounding:
            raise ValueError(
                f"`model` cannot be lowered: what was made of it computes something else. Received: outputs of up to "
                f"{largest:.3g} that differ by {difference:.3g}"
            )


def _layers(model):
    for layer in model.layers:
        yield from _layers(layer) if isinstance(layer, keras.Model) else (layer,)


def _random_inputs(model, size):
    rng = np.random.default_rng(0)

    def draw(x):
        shape = (1, *(size if side is None else side for side in x.shape[1:]))
        if "int" in x.dtype:
            return rng.integers(0, 100, shape).astype(x.dtype)
        return rng.uniform(size=shape).astype("float64" if x.dtype == "float64" else "float32")

    return tree.map_structure(draw, model.input)


def _numbers(model, inputs):
    outputs = tree.flatten(infer(model, inputs))
    return [keras.ops.convert_to_numpy(keras.ops.cast(y, "float64")) for y in outputs]
