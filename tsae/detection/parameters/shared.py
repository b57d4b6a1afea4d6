"""Defaults that more than one place needs, and docstrings of the parameters that both detectors have."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from tsae.alarms.thresholds import METHODS
from tsae.nn.architectures import ARCHITECTURES

__all__ = ["ARCHITECTURE", "HELD_OUT", "LABEL_BETA", "MAX_FILL", "PRESET", "THRESHOLD", "documented"]

PRESET = "balanced"
ARCHITECTURE = "dense"
MAX_FILL = 3
HELD_OUT = 0.15
THRESHOLD = "pot"
LABEL_BETA = 1.0

Class = TypeVar("Class", bound=type)


def _choices(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


_DOCS = {
    "architecture": f"""architecture : {{{_choices(ARCHITECTURES)}}}
        Kind of the encoder/decoder pair.""",
    "network": """network : NetworkOptions, dict or None
        Layers, bottleneck, linear path and corruption of the networks; see `tsae.NetworkOptions` for the options and
        their defaults. A dictionary of some of them does as well, `None` takes the defaults. `set_params` and
        `GridSearchCV` reach an option as `network__width`.""",
    "training": """training : TrainingOptions, dict or None
        Loss, penalties, pre-training, batches and device, in the same ways; see `tsae.TrainingOptions`.""",
    "threshold": f"""threshold : {{{_choices(METHODS)}}} or float
        Name of the learner of the threshold, or the threshold itself.""",
    "score_by_of_windows": """score_by : {"auto", "error", "probability", "elbo", "masked"}
        What is anomalous in a window that is rebuilt as a whole: the squared error; the negative log-likelihood under
        the loss; the negative evidence lower bound; the error of entries that the masks of `corruption` hide. "auto"
        takes "elbo" for a variational network, else "error".""",
    "label_classifier": """label_classifier : bool
        Whether `annotations` given to `fit` also train a small classifier on codes and errors, whose evidence
        −log(1 − p) joins the score. Such a detector scores tables, not streams.""",
    "label_beta": """label_beta : float
        Labels choose the threshold with the best F-beta: recall counts as much as `label_beta`² times precision.""",
    "label_cost": """label_cost : float or None
        Cost of a missed anomaly in false alarms; labels then choose the threshold that costs least, instead.""",
    "random_state": """random_state : int, RandomState instance or None
        Source of all randomness; the same number gives the same model on the same machine.""",
}


def documented(detector: Class) -> Class:
    """Put the shared docstrings in place of their names in braces, such as ``{network}``."""
    for name, text in _DOCS.items():
        detector.__doc__ = (detector.__doc__ or "").replace(f"    {{{name}}}\n", f"    {text}\n")
    return detector
