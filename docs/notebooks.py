"""The guides as notebooks: the text of docs/guides/NAME.md, the code of docs/guides/NAME.py.

    python docs/notebooks.py [NAME ...]           # after a change: the code in the pages, and the notebooks
    python docs/notebooks.py --run [NAME ...]     # runs the notebooks too; needs the docs extra, and minutes

A script has parts, each after a line `# %%`. They are the code blocks of its page, in this order, and cells of its
notebook. What a page shows of the output, indented below a block, is not in the notebook, whose cells have their own.
Outputs stay in a notebook as long as its code stays the same.
"""

import argparse
import json
import os
import pathlib
import re
import resource
import shutil
import tempfile
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[1]
GUIDES = ROOT / "docs" / "guides"
NAMES = sorted(path.stem for path in GUIDES.glob("*.py"))
SETUP = """\
# Installs the library where it is missing. Without TensorFlow, JAX computes.
import importlib.util
import os

if importlib.util.find_spec("keras_equivariant") is None:
    %pip install --quiet {source}
if importlib.util.find_spec("tensorflow") is None:
    os.environ.setdefault("KERAS_BACKEND", "jax")"""
_BLOCK = re.compile(r"```python\n.*?```", re.S)


def parts(name):
    """The code of a script, part by part."""
    return [part.strip() for part in re.split(r"^# %%\n", (GUIDES / f"{name}.py").read_text(), flags=re.M)[1:]]


def page(name):
    """The page of a guide, with the code of its script in its blocks."""
    text, code = (GUIDES / f"{name}.md").read_text(), parts(name)
    if len(_BLOCK.findall(text)) != len(code):
        raise ValueError(f"{name}.md must have a block for each of the {len(code)} parts of {name}.py.")
    blocks = iter(code)
    return _BLOCK.sub(lambda _: f"```python\n{next(blocks)}\n```", text)


def source():
    """What pip installs: the repository of pyproject.toml, or else the clone that the notebook lies in."""
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"].get("urls", {})
    return f"git+{urls['Repository']}" if "Repository" in urls else "../.."


def cells(name):
    """The kind and the source of each cell."""
    found = [("code", SETUP.format(source=source()))]
    text = page(name).replace(f"[This page as a notebook]({name}.ipynb)\n\n", "")
    drawn = rf"!\[[^\]]*\]\({name}\.png\)"
    for piece in re.split(rf"(```python\n.*?```|{drawn})", text, flags=re.S):
        if piece.startswith("```"):
            found.append(("code", piece.removeprefix("```python\n").removesuffix("\n```")))
        elif re.fullmatch(drawn, piece):
            found.append(("code", f'from IPython.display import Image\n\nImage("{name}.png")'))
        else:
            if found[-1][0] == "code":
                piece = re.sub(r"\A\s*\n((?:    .*\n|\n)+)", "", piece)  # the output of the block above
            if piece.strip():
                found.append(("markdown", piece.strip()))
    title = next(i for i, (kind, _) in enumerate(found) if kind == "markdown")
    return [found[title], *found[:title], *found[title + 1 :]]


def notebook(name):
    """The notebook of a guide, with the outputs of the one in the folder if that has the same code."""
    made = []
    for i, (kind, text) in enumerate(cells(name)):
        cell = {"cell_type": kind, "id": f"{name}-{i}", "metadata": {}, "source": text.splitlines(keepends=True)}
        made.append(cell | ({"execution_count": None, "outputs": []} if kind == "code" else {}))
    path = GUIDES / f"{name}.ipynb"
    if path.exists():
        code, before = (
            [cell for cell in cells if cell["cell_type"] == "code"] for cells in (made, read(name)["cells"])
        )
        if [cell["source"] for cell in code] == [cell["source"] for cell in before]:
            for new, old in zip(code, before, strict=True):
                new.update(execution_count=old["execution_count"], outputs=old["outputs"])
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": made, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def read(name):
    """The notebook in the folder."""
    return json.loads((GUIDES / f"{name}.ipynb").read_text())


def shown(outputs):
    """Outputs without warnings, logs, colours and overwritten progress bars; what was printed comes first."""
    printed = "".join(output["text"] for output in outputs if output.get("name") == "stdout")
    printed = re.sub(r"[^\n]*\r|\x08|\x1b\[\d*m|^INFO:.*\n", "", printed, flags=re.M)
    stream = [{"output_type": "stream", "name": "stdout", "text": printed}] if printed else []
    return stream + [output for output in outputs if output["output_type"] != "stream"]


def run(name, made):
    """Runs a notebook in an empty folder; returns it with its outputs, and keeps the picture that it draws."""
    import nbclient
    import nbformat

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    ready = nbformat.reads(json.dumps(made), as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}
        nbclient.NotebookClient(ready, timeout=1800, record_timing=False, resources=resources).execute()
        drawn = pathlib.Path(folder, f"{name}.png")
        if drawn.exists():
            shutil.copy(drawn, GUIDES)
    for cell in ready.cells:
        if cell.cell_type == "code":
            cell.outputs = [nbformat.from_dict(output) for output in shown(cell.outputs)]
    return made | {"cells": json.loads(nbformat.writes(ready))["cells"]}


def main():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--run", action="store_true")
    arguments = parser.parse_args()
    for name in arguments.names or NAMES:
        (GUIDES / f"{name}.md").write_text(page(name))
        made = notebook(name)
        if arguments.run:
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            made = run(name, made)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            print(f"{name}: {seconds:.0f} s of the processor", flush=True)
        (GUIDES / f"{name}.ipynb").write_text(json.dumps(made, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
