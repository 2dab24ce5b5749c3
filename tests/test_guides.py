"""Every guide runs as a script, prints the figures that its page shows, and draws its picture; every snippet exists."""

import os
import re
import subprocess
import sys

import pytest
from helpers import ROOT

GUIDES = ROOT / "docs" / "guides"
NAMES = sorted(path.stem for path in GUIDES.glob("*.py"))
_NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")


def shown_output(name):
    """The lines of a page that are indented as output: neither code nor prose, nor a shell's command."""
    lines = (GUIDES / f"{name}.md").read_text().splitlines()
    return [line.strip() for line in lines if line.startswith("    ") and "keras-equivariant " not in line]


@pytest.mark.parametrize("name", NAMES)
def test_guide(name, tensorflow_backend, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "KERAS_BACKEND": "tensorflow"}
    command = [sys.executable, str(GUIDES / f"{name}.py"), str(tmp_path)]
    result = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    printed = result.stdout.splitlines()
    for line in shown_output(name):
        # The same words; numbers depend on the processor in their last digits.
        assert any(_NUMBER.sub("#", line) == _NUMBER.sub("#", other) for other in printed), line
    if f"]({name}.png)" in (GUIDES / f"{name}.md").read_text():
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000


@pytest.mark.parametrize("name", NAMES)
def test_page_shows_all_of_the_script(name):
    sections = re.findall(r"# --8<-- \[start:(\w+)\]", (GUIDES / f"{name}.py").read_text())
    assert sections
    assert re.findall(rf'--8<-- "guides/{name}.py:(\w+)"', (GUIDES / f"{name}.md").read_text()) == sections
