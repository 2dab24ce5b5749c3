import keras
import pytest
from helpers import random_array

from training.export import export


class Unfaithful(keras.Sequential):
    """A model that forgets its weights when it is saved."""

    def save(self, path):
        copy = keras.models.clone_model(self)
        copy.set_weights([weight + 1 for weight in self.get_weights()])
        copy.save(path)


def test_a_file_that_computes_something_else_is_not_kept(tmp_path):
    model = Unfaithful([keras.Input((4,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="outputs must be the model's. Received"):
        export(model, tmp_path / "model.keras", "keras", random_array(3, 4))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("file_format, name", [("keras", "model.keras"), ("saved_model", "model")])
def test_formats(tmp_path, file_format, name, tensorflow_backend):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    assert export(model, tmp_path / name, file_format, random_array(3, 4)) <= 1e-6
    assert [path.name for path in tmp_path.iterdir()] == [name]
