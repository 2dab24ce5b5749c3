"""What is saved loads in a new process: with our package, without it, and SavedModels without Keras.

One process loads everything: most of its time is that of the imports.
"""

import keras
import numpy as np
import pytest
from helpers import ON_TENSORFLOW, cases, predict, random_array, relative_error, run_python, to_numpy
from networks import small_network
from planar_models import MODELS

from keras_equivariant import zoo
from keras_equivariant.constraints import project_constraints
from keras_equivariant.layers import (
    ApplyGamma,
    CosetPooling,
    GroupConv2D,
    HexagonalMask2D,
    HexagonalResampling2D,
    LogRGB,
)
from keras_equivariant.losses import SparseHalvedSquaredError
from keras_equivariant.optimizers import LayerwiseSGD
from keras_equivariant.planar import to_planar

PUBLISHED = [(name, weights) for name in zoo.list_models() for weights in zoo.list_weights(name)]
BOUVRIE = {
    "plain": {},
    "sparsemax": {"mixing": "sparsemax"},
    "softmax": {"mixing": "softmax", "mixing_regularizer": "l1"},
}
CERBERUS = {"input_shape": (32, 48, 3), "filters": (3, 6), "bottleneck": 6, "units": 9}
NETWORKS = {
    **dict.fromkeys(["z2cnn", "p4cnn", "p4cnn_rotation_pooling"], {}),
    "p4_offset_resnet20": {"filters": (3, 3, 6), "blocks": 1},
    "p4m_resnet44": {"filters": (2, 3, 4), "blocks": 1, "downsampling": "centred", "head": "oriented"},
    "color_cerberus": CERBERUS,
    "offset_color_cerberus": CERBERUS,
}
SAVED = cases(MODELS, MODELS[1::4], MODELS[1::2])
SERVED = ["p4cnn", "p4cnn_rotation_pooling", "p4_offset_resnet20", *(f"bouvrie_{name}" for name in BOUVRIE)]
OFFSET_RESNETS = ["offset_resnet20", "p4_offset_resnet20"]

PROGRAM = """
import pathlib, sys

folder, published = pathlib.Path(sys.argv[1]), [name.split(":") for name in sys.argv[2:]]
import numpy as np


def compare(kind, load):
    for path in sorted(folder.glob(kind + "/*.npz")):
        with np.load(path) as pair:
            y = to_numpy(load(path.with_suffix(""))(pair["x"]))
            print(kind, path.stem, np.abs(y - pair["y"]).max() / np.abs(pair["y"]).max())


absent = dict.fromkeys(["keras", "keras_equivariant"])  # makes their imports fail
if (folder / "served").exists():
    sys.modules.update(absent)
    import tensorflow as tf

    to_numpy = np.asarray

    def load(path):
        model = tf.saved_model.load(str(path))
        return lambda x: model.serve(x)  # holds its variables

    compare("served", load)
    del sys.modules["keras"]

import keras

sys.modules["keras_equivariant"] = None
to_numpy = keras.ops.convert_to_numpy
compare("ordinary", lambda path: keras.models.load_model(f"{path}.keras"))
del sys.modules["keras_equivariant"]

from keras_equivariant import zoo
from keras_equivariant.planar import to_planar


def load(path):
    model = keras.models.load_model(f"{path}.keras")
    if path.stem.startswith("bouvrie"):
        assert model.loss.low == -1 and model.optimizer.layer_rates == {"dense_1": 0.5}
    return model


compare("ours", load)
for path in sorted(folder.glob("to lower/*.keras")):
    keras.utils.clear_session()  # Keras goes on with its names where it is; in a new process it begins anew
    print("lowered", path.stem, 0 if to_planar(keras.models.load_model(path)).count_params() else 1)
for name, weights in published:
    weights_of = zoo.create(name, weights=weights).get_weights()
    print("published", f"{name}:{weights}", float(sum(abs(weight).sum() for weight in weights_of)))
"""


def scattered(model, seed=0):
    """Moves all weights away from the zeros and ones that they start at, along their constraints."""
    rng = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        variable.assign(to_numpy(variable) + rng.normal(size=variable.shape, scale=0.1))
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in layer.get_weights()])
    return project_constraints(model)


def save(model, path, x, saved=None):
    """A model, or what has been made of it, beside an input and the model's output."""
    path.parent.mkdir(exist_ok=True)
    np.savez(f"{path}.npz", x=x, y=predict(model, x))
    if path.parent.name == "served":
        (saved or model).export(path, verbose=False)
    else:
        (saved or model).save(f"{path}.keras")


def bouvrie(arguments):
    model = zoo.bouvrie_cnn(**arguments)
    model.set_weights([random_array(*w.shape, seed=i) * 0.3 for i, w in enumerate(model.get_weights())])
    model.compile(LayerwiseSGD(0.01, {"dense_1": 0.5}), SparseHalvedSquaredError())
    return model


def hexagonal():
    inputs = keras.Input((10, 10, 3))
    y = HexagonalMask2D()(GroupConv2D(3, 3, "p6", padding="same")(HexagonalResampling2D(9)(inputs)))
    return keras.Model(inputs, CosetPooling("p6")(y))


def estimator():
    """As the networks that estimate the light are trained: logarithms inside, one network for each fold."""
    networks = []
    for i in range(2):
        inputs = keras.Input((64, 64, 3))
        network = zoo.offset_color_cerberus(filters=(3, 3, 3), bottleneck=3, units=6, input_shape=(64, 64, 3))
        networks.append(keras.Model(inputs, network(LogRGB()(inputs)), name=f"fold_{i}"))
    inputs = keras.Input((64, 64, 3))
    return keras.Model(inputs, keras.layers.Average()([network(inputs) for network in networks]))


def generator():
    """As the networks that paint a centre are trained."""
    inputs = keras.Input((128, 128, 3))
    x = zoo.offset_context_encoder(filters=3, bottleneck=3)(LogRGB()(inputs))
    outputs = keras.layers.Rescaling(2.0, -1.0)(ApplyGamma()(keras.layers.Rescaling(0.5, 0.5)(x)))
    return keras.Model(inputs, outputs)


def colour_values(*shape):
    """Random pixels, and those where a formula changes: black, epsilon, the thresholds of gamma, white."""
    x = np.random.default_rng(0).uniform(size=shape).astype("float32")
    x.reshape(-1)[:8] = [0, 1e-4, 2e-4, 3e-4, 0.0031308, 0.04045, 0.0405, 1]
    return x


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """What the new process prints: for each kind and name how far the output is from that before saving."""
    folder = tmp_path_factory.mktemp("saved")
    for build in SAVED:
        model = build()
        height, width, *rest = model.input_shape[1:]
        x = random_array(2 if ON_TENSORFLOW else 1, height or 10, width or 14, *rest)
        save(model, folder / "ordinary" / build.__name__, x, to_planar(model))
    if ON_TENSORFLOW:
        ours = {name: scattered(zoo.create(name, **arguments)) for name, arguments in NETWORKS.items()}
        ours |= {f"bouvrie_{name}": bouvrie(arguments) for name, arguments in BOUVRIE.items()}
        ours["hexagonal"] = scattered(hexagonal())
        for name, model in ours.items():
            x = abs(random_array(3, *model.input_shape[1:]))
            save(model, folder / "ours" / name, x)
            if name in SERVED:
                save(model, folder / "served" / name, x)
        model = small_network("p4m_all_cnn_c")
        for name, saved in {"p4m_all_cnn_c": model, "p4m_all_cnn_c_planar": to_planar(model)}.items():
            save(model, folder / "served" / name, random_array(3, *model.input_shape[1:]), saved)
        for build in (estimator, generator):
            model = build()
            x, planar = colour_values(2, *model.input_shape[1:]), to_planar(model)
            before, after = predict(model, x), predict(planar, x)
            assert relative_error(after, before) < 1e-3, "dark pixels differ by the rounding of a logarithm"
            save(planar, folder / "ordinary" / build.__name__, x)
        (folder / "to lower").mkdir()
        for name in OFFSET_RESNETS:
            small_network(name).save(folder / "to lower" / f"{name}.keras")
    printed = run_python(PROGRAM, folder, *(":".join(names) for names in PUBLISHED)).splitlines()
    found = {}
    for line in printed:
        kind, name, value = line.split()
        found.setdefault(kind, {})[name] = float(value)
    return found


def test_with_our_package(loaded, tensorflow_backend):
    assert set(loaded["ours"]) == {*NETWORKS, *(f"bouvrie_{name}" for name in BOUVRIE), "hexagonal"}
    assert max(loaded["ours"].values()) < 1e-6, loaded["ours"]


def test_saved_models_need_tensorflow_alone(loaded, tensorflow_backend):
    assert set(loaded["served"]) == {*SERVED, "p4m_all_cnn_c", "p4m_all_cnn_c_planar"}
    assert max(loaded["served"].values()) < 1e-5, loaded["served"]


def test_lowered_models_need_keras_alone(loaded):
    colours = {"estimator", "generator"} if ON_TENSORFLOW else set()
    assert set(loaded["ordinary"]) == {build.__name__ for build in SAVED} | colours
    assert max(loaded["ordinary"].values()) < 1e-5, loaded["ordinary"]


def test_loaded_models_are_lowered(loaded, tensorflow_backend):
    assert loaded["lowered"] == dict.fromkeys(OFFSET_RESNETS, 0.0)


@pytest.mark.parametrize("name, weights", PUBLISHED)
def test_published_weights(name, weights, loaded):
    size = float(sum(abs(weight).sum() for weight in zoo.create(name, weights=weights).get_weights()))
    assert loaded["published"][f"{name}:{weights}"] == pytest.approx(size, rel=1e-5)  # and a NaN equals nothing
