import sys

import keras
import numpy as np
import pytest
from helpers import random_array, relative_error, to_numpy
from keras_equivariant.training import cli
from keras_equivariant.training.export import quantise as quantisation
from keras_equivariant.training.export.formats import export
from keras_equivariant.training.input.preprocessing import fit_preprocessing, list_preprocessings
from keras_equivariant.training.model.network import in_float32
from keras_equivariant.training.runs import export as exporting
from keras_equivariant.training.runs.export import assemble, export_run
from keras_equivariant.training.runs.finished import load_run
from keras_equivariant.training.tasks import get_task
from runs import finished_run
from small_tasks import quickly

from keras_equivariant.layers import CosetPooling, GroupConv2D
from keras_equivariant.planar import to_planar

pytestmark = pytest.mark.usefixtures("tensorflow_backend", "quick")
NARROW = {"filters": 3}


@pytest.fixture
def quick():
    with quickly():
        yield


@pytest.fixture
def digits_run(tmp_path):
    return finished_run(tmp_path / "run", "rotated_digits", model_arguments=NARROW)


def small_model():
    inputs = keras.Input((9, 9, 3))
    x = CosetPooling("p4")(GroupConv2D(4, 3, activation="relu")(inputs))
    return keras.Model(inputs, keras.layers.Dense(5)(keras.layers.GlobalAveragePooling2D()(x)))


def images_of(count):
    return abs(random_array(count, 9, 9, 3) / 2).clip(0, 1)


# They look at the whole image, as no layer of Keras does.
BALANCES = ["grey_world", "shades_of_grey", "estimated_light"]


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("name", [name for name in list_preprocessings() if name not in BALANCES])
def test_preprocessing_and_softmax_as_layers(name, planar, tmp_path):
    preprocess = fit_preprocessing(name, images_of(40))
    model, images = small_model(), images_of(7)
    logits = to_numpy(model(preprocess(images)))
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    made = assemble(to_planar(model) if planar else model, preprocess, softmax=True)
    assert relative_error(made(images), expected) < 1e-5
    assert relative_error(assemble(model, preprocess)(images), logits) < 1e-5
    assert relative_error(assemble(model, softmax=True)(preprocess(images)), expected) < 1e-5
    assert assemble(model) is model
    assert export(made, tmp_path / "served", "saved_model", images, expected) < 1e-5


def test_a_balance_of_colours_stays_outside():
    with pytest.raises(ValueError, match="written as layers. Received: a GreyWorld"):
        assemble(small_model(), fit_preprocessing("grey_world", images_of(8)))


def test_an_export_is_compared_with_what_is_asked_for(tmp_path):
    model, images = small_model(), images_of(3)
    with pytest.raises(ValueError, match="outputs must be the model's"):
        export(model, tmp_path / "served", "saved_model", images, 1.001 * to_numpy(model(images)))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "float64"])
def test_other_precisions_are_rebuilt(precision, tmp_path):
    run = finished_run(tmp_path / "run", "rotated_digits", model_arguments=NARROW, precision=precision)
    model = load_run(run).model
    rebuilt = in_float32(model)
    assert {layer.compute_dtype for layer in rebuilt.layers} == {"float32"}
    for new, old in zip(rebuilt.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(new, old.astype("float32"))
    assert export_run(run, tmp_path / "m.keras", "keras", planar=True)["difference"] < 1e-5
    assert keras.models.load_model(tmp_path / "m.keras").layers[1].compute_dtype == "float32"


def test_models_in_32_bits_stay_as_they_are(digits_run):
    model = load_run(digits_run).model
    assert in_float32(model) is model


def without_our_package(monkeypatch):
    """Keras finds no class of ours, neither among the registered ones nor by importing it."""
    registered = keras.saving.get_custom_objects()
    for name in [*registered]:
        monkeypatch.delitem(registered, name)
    for module in [name for name in sys.modules if name.partition(".")[0] == "keras_equivariant"]:
        monkeypatch.setitem(sys.modules, module, None)


def test_a_file_with_everything_inside(digits_run, tmp_path, capsys, monkeypatch):
    file = tmp_path / "all.keras"
    arguments = ["--format", "keras", "--planar", "--preprocessing", "inside", "--softmax", "--output", str(file)]
    assert cli.main(["export", str(digits_run), *arguments]) == 0
    assert "the same outputs as the run's model" in capsys.readouterr().out
    loaded = load_run(digits_run)
    images = loaded.load_data().test.scaled_images(5)
    expected = keras.ops.softmax(loaded.model(loaded.preprocess(images)))
    without_our_package(monkeypatch)
    with pytest.raises(TypeError, match="Could not locate class 'GroupConv2D'"):
        keras.models.load_model(digits_run / "model.keras")
    found = to_numpy(keras.models.load_model(file)(images))
    assert relative_error(found, expected) < 1e-5
    assert found.sum(axis=1) == pytest.approx(np.ones(5), rel=1e-5)


def test_a_softmax_is_for_classifiers(tmp_path):
    recipe = {"model_arguments": {"filters": (3, 3, 3), "bottleneck": 3, "units": 6}}
    run = finished_run(tmp_path / "run", "colorchecker", **recipe)
    with pytest.raises(ValueError, match="`softmax` is for classifiers. Received: softmax=True"):
        export_run(run, tmp_path / "m.keras", "keras", softmax=True)


@pytest.mark.filterwarnings("ignore")  # of the converter, about its own code
def test_8_bit_integers(digits_run, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(exporting, "_JUDGED_IMAGES", 400)
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    file = tmp_path / "small.tflite"
    arguments = ["--format", "litert", "--int8", "--planar", "--preprocessing", "inside", "--output", str(file)]
    assert cli.main(["export", str(digits_run), *arguments]) == 0
    printed = capsys.readouterr().out
    assert f"{file.stat().st_size:,} bytes" in printed
    assert "on 400 test images it agrees" in printed and "test error" in printed
    agreement = float(printed.split("model to ")[1].split(" %")[0])
    assert 90 <= agreement <= 100
    details = interpreter.Interpreter(str(file)).get_tensor_details()
    kernels = [tensor["dtype"] for tensor in details if len(tensor["shape"]) == 4 and tensor["shape"][0] == 12]
    assert kernels
    assert set(kernels) == {np.int8}


@pytest.mark.filterwarnings("ignore")
def test_8_bit_integers_that_predict_something_else_are_not_kept(tmp_path, monkeypatch):
    pytest.importorskip("ai_edge_litert")
    model, images = small_model(), images_of(20)
    expected = to_numpy(model(images))
    monkeypatch.setattr(quantisation, "load", lambda path, file_format: lambda inputs: -expected)
    with pytest.raises(ValueError, match="for 90% of the images or more. Received: 0.0%"):
        agreement = get_task("classification").agreement
        quantisation.quantise(model, tmp_path / "m.tflite", images, images, expected, agreement, len)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"preprocessing": "beside"}, r"must be one of \('inside', 'outside'\). Received: preprocessing='beside'"),
        ({"int8": True}, "`int8` needs the format 'litert'. Received: format='keras'"),
    ],
)
def test_bad_arguments_before_any_work(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        export_run(tmp_path / "no run", tmp_path / "m.keras", "keras", **arguments)
