"""The public names and their arguments are those of the list."""

import sys

from helpers import ROOT

sys.path.insert(0, str(ROOT / "docs"))
from public_api import lines


def test_public_names(tensorflow_backend):
    listed = (ROOT / "docs" / "public_api.txt").read_text().splitlines()
    assert lines() == listed, (
        "If the change is meant: `python docs/public_api.py > docs/public_api.txt`, and the CHANGELOG."
    )
