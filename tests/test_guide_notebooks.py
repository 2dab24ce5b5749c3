"""Pages and notebooks of the guides are what `python docs/notebooks.py` would write now, and the notebooks were run."""

import json
import re
import sys

import pytest
from helpers import ROOT
from test_guides import GUIDES, NAMES, NUMBER, shown_output

sys.path.insert(0, str(ROOT / "docs"))
import notebooks


def printed(notebook):
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    return "".join("".join(output["text"]) for output in outputs if output["output_type"] == "stream").splitlines()


@pytest.mark.parametrize("name", NAMES)
def test_page_has_the_code_of_the_script(name):
    assert notebooks.page(name) == (GUIDES / f"{name}.md").read_text(), "python docs/notebooks.py"


@pytest.mark.parametrize("name", NAMES)
def test_notebook(name):
    text = (GUIDES / f"{name}.ipynb").read_text()
    there, made = json.loads(text), notebooks.notebook(name)
    sources = [[(cell["cell_type"], cell["id"], cell["source"]) for cell in each["cells"]] for each in (there, made)]
    assert sources[0] == sources[1], "python docs/notebooks.py --run"
    code = [cell for cell in there["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == [*range(1, len(code) + 1)], "python docs/notebooks.py --run"
    lines = [NUMBER.sub("#", line) for line in printed(there)]
    assert [line for line in shown_output(name) if NUMBER.sub("#", line) not in lines] == []
    assert ("image/png" in text) == (f"]({name}.png)" in (GUIDES / f"{name}.md").read_text())
    assert len(text.encode()) < 500 * 1024
    assert not re.search(r"/(tmp|home|root|usr)/", text), "it names a folder of the machine that it ran on"


def test_source_is_the_repository_or_the_clone():
    assert re.fullmatch(r"\.\./\.\.|git\+https://\S+", notebooks.source())
