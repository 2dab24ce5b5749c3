"""Damaged files of a run: an error for the user, or, where the damage does not matter, what was stored."""

import dataclasses
import shutil

import numpy as np
import pytest
from damages import DAMAGES, exchange, retype
from fuzz import CASES, draw
from keras_equivariant.training.input.preprocessing import load_preprocessing
from keras_equivariant.training.runs.checkpoint import load_checkpoint, save_checkpoint
from keras_equivariant.training.runs.compare import compare_runs, format_table
from keras_equivariant.training.runs.finished import load_model, load_run, read_recipe
from keras_equivariant.training.runs.folder import check_output
from keras_equivariant.training.tasks import get_task
from runs import finished_run

from keras_equivariant import zoo

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.usefixtures("tensorflow_backend")]

MODEL = "z2cnn"
WEIGHTS = "p4cnn-rotated_mnist.weights.h5"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A finished run with a checkpoint, and trained weights of the zoo."""
    path = finished_run(tmp_path_factory.mktemp("runs") / "run", "rotated_digits", model=MODEL)
    (path / "history.csv").write_text("epoch,loss,val_loss\n0,1.5,1.25\n1,0.5,0.75\n")
    save_checkpoint(path / "checkpoint.npz", load_model(path).variables, [{"epoch": 0, "loss": 0.5}], 1.5)
    for name in (WEIGHTS, WEIGHTS.replace(".weights.h5", ".json")):
        shutil.copy(zoo.pretrained.FOLDER / name, path)
    return path


def weights_of(path):
    return load_model(path).get_weights()


def checkpoint_of(path):
    variables = zoo.create(MODEL).variables
    history, seconds = load_checkpoint(path / "checkpoint.npz", variables)
    return [*(variable.numpy() for variable in variables), history, seconds]


def preprocessing_of(path):
    return list(dataclasses.astuple(load_preprocessing(path / "preprocessing.npz", "standardise")))


def table_of(path):
    return [format_table(compare_runs([path]))]


def zoo_weights_of(path):
    return zoo.create("p4cnn", weights=path / WEIGHTS).get_weights()


def run_of(path):
    recipe, _ = read_recipe(path)
    get_task(recipe.task).check(recipe)
    check_output(path, 10**9, resume=True)
    load_run(path)
    return [recipe, table_of(path)]


# File, how it is read, and whether its format has a checksum of what it says.
READERS = (
    ("model.keras", weights_of, True),
    ("checkpoint.npz", checkpoint_of, True),
    ("preprocessing.npz", preprocessing_of, True),
    (WEIGHTS, zoo_weights_of, True),
    (WEIGHTS.replace(".weights.h5", ".json"), zoo_weights_of, False),
    ("config.json", run_of, False),
    ("metrics.json", table_of, False),
    ("history.csv", table_of, False),
)


@pytest.mark.parametrize("name, read, has_checksum", READERS, ids=[name for name, *_ in READERS])
def test_damage_is_an_error_or_does_not_matter(name, read, has_checksum, whole, tmp_path):
    stored, content, faults, refused = read(whole), (whole / name).read_bytes(), [], 0
    copy = tmp_path / "copy"
    shutil.copytree(whole, copy)
    cases = max(CASES // len(READERS), 3)
    for case in range(cases):
        rng = np.random.default_rng([4, len(name), case])
        damage = draw(rng, (*DAMAGES, *(retype,) * 6) if name.endswith(".json") else DAMAGES)
        (copy / name).write_bytes(damage(rng, content))
        try:
            found = read(copy)
        except ValueError as error:
            refused += bool(str(error))
            continue
        except Exception as error:
            faults.append((case, damage.__name__, f"{type(error).__name__}: {error}"[:300]))
            continue
        same = len(found) == len(stored) and all(map(np.array_equal, found, stored))
        if has_checksum and not same and damage is not exchange:
            faults.append((case, damage.__name__, "loaded something else"))
    assert not faults, "\n".join(map(str, faults))
    assert refused >= cases // 6
    print(f"{name}: {cases} cases, {refused} refused")


def test_weights_that_differ_from_their_checksum_are_refused(whole, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(whole, copy)
    content = (whole / "model.keras").read_bytes()
    position = content.index(load_model(whole).get_weights()[0].tobytes())
    changed = bytes([content[position] ^ 1])
    (copy / "model.keras").write_bytes(content[:position] + changed + content[position + 1 :])
    with pytest.raises(ValueError, match="the checksum of model.weights.h5 is wrong"):
        load_model(copy)
