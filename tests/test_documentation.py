"""The Python of README and pages runs and does what the text says; the commands that they name exist."""

import re
import shlex

import keras
import numpy as np
import pytest
from helpers import ROOT
from keras_equivariant.training.cli import _parser
from keras_equivariant.training.recipes import get_recipe
from PIL import Image
from small_tasks import quickly

from keras_equivariant import layers, optimizers

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
IMAGES = np.random.default_rng(0).uniform(size=(2, 28, 28, 1)).astype("float32")
PLACEHOLDERS = {"N": "3", "PICTURE": "a.png", "RECIPE": "rotated_digits", "NAME": "clusters"}


def run_code_blocks(page):
    """Runs them as one program from top to bottom and returns its names; `images` and `labels` are there."""
    names = {"images": IMAGES, "labels": np.arange(len(IMAGES))}
    for block in re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.S):
        exec(compile(block, page, "exec"), names)  # noqa: S102
    return names


def test_readme(tensorflow_backend, capsys):
    names = run_code_blocks("README.md")
    assert names["model"].output_shape == (None, 10)
    assert float(capsys.readouterr().out) < 1e-6


def test_page_on_export(tensorflow_backend):
    assert run_code_blocks("docs/export.md")["logits"].shape == (2, 10)


def test_page_on_trained_weights(tensorflow_backend, monkeypatch):
    fit = keras.Model.fit

    def begin(model, *data, epochs, **options):
        model.run_eagerly = True  # for a few steps that takes less time than to trace the graph of one
        return fit(model, *data, epochs=min(epochs, 2), **options)

    monkeypatch.setattr(keras.Model, "fit", begin)
    assert run_code_blocks("docs/pretrained.md")["model"].output_shape == (None, 5)


def test_page_on_normalisation(tensorflow_backend):
    assert run_code_blocks("docs/normalisation.md")["x"].shape == (2, 33, 33, 6, 16)


def test_page_on_own_pictures(tensorflow_backend, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for i, name in enumerate(("a", "b")):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for j in range(6):
            Image.fromarray(np.full((40, 30, 3), [40 + 100 * i, 50, 2 * j], "uint8")).save(f"pictures/{name}/{j}.png")
    with quickly():
        names = run_code_blocks("docs/own_pictures.md")
    assert names["pictures"].shape == (8, 32, 32, 3) and names["model"].output_shape == (None, 2)
    assert names["classes"].numpy()[3].tolist() == [b"a", b"b"] and names["history"].epoch == [0, 1]


def test_page_on_speed():
    assert run_code_blocks("docs/speed.md")["Recompute"]  # more in keras_equivariant/test_recompute.py


def test_no_other_page_has_code():
    tested = {"README.md", "export.md", "normalisation.md", "own_pictures.md", "pretrained.md", "speed.md"}
    assert {page.name for page in PAGES if "```python" in page.read_text()} == tested


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands(page):
    text = page.read_text()
    parser, _ = _parser()
    for command in re.findall(r"(?:^    |`|&& )keras-equivariant ([^`#\n&]*)", text, re.M):
        words = [PLACEHOLDERS.get(word, word) for word in shlex.split(command) if word != "..."]
        parsed = parser.parse_args(words)
        if getattr(parsed, "recipe", None):
            assert get_recipe(parsed.recipe)
    for script in re.findall(r"python (benchmarks/\w+\.py)", text):
        assert (ROOT / script).exists()


def test_page_on_the_papers_names_files_and_layers_that_exist():
    page = (ROOT / "docs" / "papers.md").read_text()
    folders = [ROOT / folder for folder in ("tests", "tests/keras_equivariant", "keras_equivariant", ".")]
    files = set(re.findall(r"`([\w/]+\.(?:py|json))`", page))
    assert len(files) > 40
    assert [name for name in sorted(files) if not any((folder / name).exists() for folder in folders)] == []
    named = set(re.findall(r"`([A-Z][a-z]\w+)`", page))
    assert len(named) > 20
    assert [name for name in sorted(named) if not (hasattr(layers, name) or hasattr(optimizers, name))] == []
