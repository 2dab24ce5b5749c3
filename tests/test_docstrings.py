"""The examples in the docstrings run and print what they say."""

import doctest
import importlib

import keras
import numpy as np
import pytest
from helpers import ROOT, module_name

MODULES = sorted(
    module_name(path)
    for package in ("keras_equivariant", "zoo", "training")
    for path in (ROOT / package).rglob("*.py")
    if ">>> " in path.read_text()
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name, tensorflow_backend):
    module = importlib.import_module(name)
    names = {"keras": keras, "np": np, **vars(module)}
    failures = []
    for example in doctest.DocTestFinder(exclude_empty=True).find(module, extraglobs=names):
        runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.NORMALIZE_WHITESPACE)
        runner.run(example, out=failures.append)
    assert not failures, "".join(failures)
