"""Every guide runs as a script, prints the figures that its page shows, and draws its picture."""

import re

import pytest
from helpers import ROOT, run_python

GUIDES = ROOT / "docs" / "guides"
NAMES = sorted(path.stem for path in GUIDES.glob("*.py"))
NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")


def shown_output(name):
    """The lines of a page that are indented as output: neither code nor prose, nor a shell's command."""
    lines = re.sub(r"```.*?```", "", (GUIDES / f"{name}.md").read_text(), flags=re.S).splitlines()
    return [line.strip() for line in lines if line.startswith("    ") and "keras-equivariant " not in line]


# Runs scripts one after another in one process, each as if it were alone; what each prints goes into a file beside its
# pictures, and the traceback of one that fails into another. No figure is compared, so trainings on arrays are two
# epochs of two steps, and masks are tested on few, but in nightly runs.
RUN = """
import contextlib, os, pathlib, runpy, sys, traceback
import keras
import numpy as np
from keras_equivariant.training.data import drawn_cells

folder, *scripts = map(pathlib.Path, sys.argv[1:])
os.chdir(folder)
fit, predict = keras.Model.fit, keras.Model.predict


def begin(model, x, y=None, batch_size=32, epochs=1, **options):
    if isinstance(x, np.ndarray):
        x, y, epochs = x[: 2 * batch_size], y[: 2 * batch_size], min(epochs, 2)
        model.run_eagerly = True  # for a few steps that takes less time than to trace the graph of one
        options["batch_size"] = batch_size
    return fit(model, x, y, epochs=epochs, **options)


def predict_at_once(model, x, **options):
    return predict(model, x, batch_size=1000, **options)


if not os.environ.get("KERAS_EQUIVARIANT_ALL_CASES"):
    keras.Model.fit, keras.Model.predict = begin, predict_at_once
    drawn_cells._COUNTS = {"train": 24, "validation": 8, "test": 3}
start = dict(image_data_format=keras.config.image_data_format(), dtype_policy=keras.config.dtype_policy())
for script in scripts:
    sys.argv = [str(script), str(folder)]
    with open(folder / f"{script.stem}.out", "w") as out, contextlib.redirect_stdout(out):
        try:
            runpy.run_path(str(script), run_name="__main__")
        except BaseException:
            (folder / f"{script.stem}.error").write_text(traceback.format_exc())
    keras.utils.clear_session()
    for name, value in start.items():
        getattr(keras.config, f"set_{name}")(value)
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The folder with what all guides print and draw."""
    folder = tmp_path_factory.mktemp("guides")
    run_python(RUN, folder, *(GUIDES / f"{name}.py" for name in NAMES), KERAS_BACKEND="tensorflow")
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_guide(name, tensorflow_backend, request):
    folder = request.getfixturevalue("results")
    error = folder / f"{name}.error"
    assert not error.exists(), error.read_text()[-2000:]
    printed = (folder / f"{name}.out").read_text().splitlines()
    for line in shown_output(name):
        # The same words; numbers depend on the processor in their last digits.
        assert any(NUMBER.sub("#", line) == NUMBER.sub("#", other) for other in printed), line
    if f"]({name}.png)" in (GUIDES / f"{name}.md").read_text():
        assert (folder / f"{name}.png").stat().st_size > 10_000
