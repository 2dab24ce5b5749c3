"""A model as it predicts."""

from collections.abc import Callable
from typing import Any

import keras


def infer(model: Callable[..., Any], inputs: Any) -> Any:
    """What a model, a layer or any function returns for arrays, in inference mode."""
    mode = {"training": False} if isinstance(model, keras.layers.Layer) else {}
    return model(inputs, **mode)
