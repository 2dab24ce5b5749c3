"""The README's Python runs, as one program from top to bottom, and does what the text says."""

import re

from helpers import ROOT


def test_code_blocks(tensorflow_backend, capsys):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    names = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)  # noqa: S102
    assert names["model"].output_shape == (None, 10)
    assert float(capsys.readouterr().out) < 1e-6
