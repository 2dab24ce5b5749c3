"""Studies of the diffusion spectral entropy: the figures of its paper, each a small experiment with a picture."""

import importlib
import pathlib
from typing import Any

# Name: figure of the paper, what it shows.
_STUDIES = {
    "clusters": "Figure 2: entropy and mutual information of k clusters over the diffusion time",
    "intrinsic_dimension": "Figure 3 A: entropy of data of d dimensions in 2048, beside binned Shannon entropy",
    "label_corruption": "Figure 3 B: mutual information of trees with labels that are shuffled more and more",
    "estimators": "Figure 4: five estimators of mutual information on blobs, over corruption and dimension",
    "runtime": "Figure 5: seconds that the estimators take, over the dimension",
    "training_dynamics": "Figures 6 to 8: entropy and mutual information in supervised, random-label, SimCLR training",
    "initialisation": "Figure 9: initial entropy and accuracy over the deviation of the initial kernels",
    "ranking": "Figure 10: entropies and accuracy of models of the zoo trained to different degrees",
}

_TRAINED = ("dataset", "data_dir", "models", "runs", "epochs", "training_images")
_SETTINGS = {"training_dynamics": _TRAINED, "initialisation": _TRAINED, "ranking": ("dataset", "data_dir")}


def list_settings(name: str) -> tuple[str, ...]:
    """Returns the settings of a study that the command line offers."""
    return _SETTINGS.get(name, ("runs",))


def list_studies() -> dict[str, str]:
    """Returns the names of all studies, each with one line on what it shows, as a dictionary."""
    return dict(_STUDIES)


def run_study(name: str, output: str | pathlib.Path, seed: int = 0, **settings: Any) -> dict[str, Any]:
    """Runs a study.

    Args:
        name: One of `list_studies()`.
        output: Folder for its files: `results.json` and `figure.png`.
        seed: Decides all random numbers.
        **settings: Sizes and numbers that the study's `run` takes, to replace its defaults.

    Returns:
        The results, a dictionary.

    Raises:
        ValueError: If there is no such study, or the folder cannot be written or holds the results of one.
    """
    if name not in _STUDIES:
        raise ValueError(f"`study` must be one of {list(_STUDIES)}. Received: study={name!r}")
    if (pathlib.Path(output) / "results.json").exists():
        raise ValueError(f"`output` must not hold the results of a study. Received: output={output}")
    try:
        pathlib.Path(output).mkdir(parents=True, exist_ok=True)
    except OSError as error:  # before hours of work, not after them
        raise ValueError(
            f"`output` must be a folder that can be written ({error.strerror}). Received: output={output}"
        ) from None
    return importlib.import_module(f"keras_equivariant.training.studies.{name}").run(output, seed, **settings)
