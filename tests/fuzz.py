"""Random bad arguments, and what must come of them: an error that says something, of the two kinds for arguments."""

import os

import keras
import numpy as np

# Thousands by hand: KERAS_EQUIVARIANT_FUZZ=5000 pytest -k "test_fuzz or test_damaged"
CASES = int(os.environ.get("KERAS_EQUIVARIANT_FUZZ", "40"))


VALUES = (
    *(None, True, False, 0, 1, 2, 3, 5, -1, -3, 0.5, 2.0, float("nan"), float("inf"), -float("inf"), 1j),
    *("", "p1", "p4", "p4m", "p6", "O", "mirror", "same", "valid", "wrap", "relu", "max", "float16", "nonsense", b"p4"),
    *([], [2], [2, 2], (2, 2), (3, 3), (1, 2, 3), (0, 1), (-1, 2), (None, 2), ("a", "b"), [[0, 1], [1]], [["x"]]),
    *({}, {"a": 1}, {"class_name": "Nothing", "config": {}}, {1, 2}, range(2), object(), int, Exception()),
    *(np.array(2), np.array([1, 2]), np.float32(2), np.int64(3), np.zeros((2, 2, 2)), np.array(["a"])),
)
SHAPES = (
    *((), (0,), (3,), (2, 3), (2, 5, 3), (1, 1, 1, 3), (2, 6, 6, 3), (0, 6, 6, 3)),
    *((2, 6, 6, 4, 3), (1, 4, 4, 4, 4, 3)),
)


def draw(rng, sequence):
    return sequence[rng.integers(len(sequence))]


def spoiled(rng, arguments, names):
    """The arguments with one to three of these names, new or not, at random values."""
    chosen = rng.choice(list(names), size=min(rng.integers(1, 4), len(names)), replace=False)
    return {**arguments, **{str(name): draw(rng, VALUES) for name in chosen}}


def fault(action):
    """What is wrong with the way in which an action fails, or `None`."""
    try:
        action()
    except (ValueError, TypeError) as error:
        return None if str(error).strip() else f"{type(error).__name__} without a message"
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:300]
    finally:
        keras.utils.clear_session(free_memory=False)
    return None
