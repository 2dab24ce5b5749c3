"""Links that show the package as it is installed, with the folders zoo and training inside of it.

The documentation and pyright, which read files instead of importing them, look there. Run it once after cloning:

    python docs/package_tree.py
"""

import pathlib
import shutil

_ROOT = pathlib.Path(__file__).resolve().parents[1]


def on_startup(command=None, dirty=None):
    """Makes the links before MkDocs begins."""
    package = _ROOT / ".package" / "keras_equivariant"
    shutil.rmtree(package, ignore_errors=True)
    package.mkdir(parents=True)
    for path in (*(_ROOT / "keras_equivariant").iterdir(), _ROOT / "zoo", _ROOT / "training"):
        (package / path.name).symlink_to(path)


if __name__ == "__main__":
    on_startup()
