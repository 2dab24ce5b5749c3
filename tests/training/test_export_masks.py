"""U-Nets in every format, of fixed and of free sizes, as they are and lowered to ordinary layers."""

import functools

import keras
import numpy as np
import pytest
from helpers import random_array, relative_error, to_numpy
from keras_equivariant.training import cli
from keras_equivariant.training.export.formats import export, list_formats, load
from networks import create_with_random_statistics
from runs import finished_run
from small_tasks import quickly

from keras_equivariant.planar import to_planar

pytestmark = pytest.mark.usefixtures("tensorflow_backend")
PACKAGES = {"onnx": ["tf2onnx", "onnxruntime"], "litert": ["ai_edge_litert"], "openvino": ["openvino"]}
NAMES = {"keras": "m.keras", "saved_model": "m", "onnx": "m.onnx", "litert": "m.tflite", "openvino": "m"}
SMALL = {"filters": 2, "depth": 1, "classes": 3}


@pytest.mark.parametrize("size", [(9, 8), (None, None)])
@pytest.mark.parametrize("symmetry", ["p4m", "p8"])
def test_the_lowered_network_is_free_of_our_classes(symmetry, size):
    model = create_with_random_statistics("p4m_unet", **SMALL, symmetry=symmetry, input_shape=(*size, 1))
    lowered = to_planar(model)
    assert "keras_equivariant" not in lowered.to_json()
    x = random_array(2, *(side or 6 for side in size), 1)
    assert relative_error(lowered(x), model(x)) < 1e-5


@functools.cache
def u_net(size):
    return create_with_random_statistics("p4m_unet", **SMALL, input_shape=(*size, 1))


@functools.cache
def lowered(size):
    return to_planar(u_net(size))


@pytest.mark.filterwarnings("ignore")  # of the converters, about their own code
@pytest.mark.parametrize("file_format", list_formats())
@pytest.mark.parametrize("size, planar", [((9, 8), True), ((None, None), True), ((None, None), False)])
def test_every_runtime_computes_the_same(file_format, size, planar, tmp_path):
    for package in PACKAGES.get(file_format, []):
        pytest.importorskip(package)
    model = u_net(size)
    path = tmp_path / NAMES[file_format]
    x = random_array(2, *(side or 6 for side in size), 1)
    assert export(lowered(size) if planar else model, path, file_format, x, to_numpy(model(x))) < 1e-4
    run = load(path, file_format)
    for shape in [(1, 4, 10, 1), (3, 8, 6, 1)] if size[0] is None else [(1, *size, 1)]:
        x = random_array(*shape, seed=1)
        assert relative_error(run(x), to_numpy(model(x))) < 1e-4


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("file_format", ["litert", "onnx"])
def test_a_run_is_exported_from_the_command_line(file_format, tmp_path):
    for package in PACKAGES[file_format]:
        pytest.importorskip(package)
    arguments = {"input_shape": (32, 32, 1), **SMALL}
    run = finished_run(tmp_path / "run", "drawn_cells", model_arguments=arguments)
    # As `fit` leaves it: of free size.
    free = create_with_random_statistics("p4m_unet", **{**arguments, "input_shape": (None, None, 1)})
    free.save(run / "model.keras")
    path = tmp_path / NAMES[file_format]
    command = ["export", str(run), "--format", file_format, "--planar", "--preprocessing", "inside"]
    with quickly():
        assert cli.main([*command, "--output", str(path)]) == 0
    preprocess = np.load(run / "preprocessing.npz")
    x = abs(random_array(1, 14, 10, 1)).clip(0, 1)
    prepared = (x - preprocess["mean"]) / preprocess["deviation"]
    assert relative_error(load(path, file_format)(x), to_numpy(free(prepared))) < 1e-4
    assert keras.models.load_model(run / "model.keras").input_shape == (None, None, None, 1)
