"""How high training rows score once a detector was fitted on earlier ones only, and thresholds widened by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tsae.alarms.thresholds.threshold import Threshold

__all__ = ["LaterScores", "later_scores", "widened"]

FloatArray = NDArray[np.float64]
_LEVELS = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.925, 0.95, 0.97)
_HIGHEST = _LEVELS[-1]  # beyond it, a single fault in training would decide


@dataclass(frozen=True)
class LaterScores:
    """Quantiles of the scores of later training rows, under linear members fitted on earlier ones.

    Held-out rows lie next to the training rows, and score low even if scores rise with the distance from training.
    These quantiles show such a rise.
    """

    levels: FloatArray
    """Increasing shares of the rows, `(n_levels,)`."""
    quantiles: FloatArray
    """`(n_parts, n_kinds, n_levels)`: one part per cut between earlier and later rows, kinds as in `ThresholdSet`.

    There is no part if training was too short to cut.
    """

    def quantile(self, kind: int, level: float) -> float:
        """Return the quantile of one kind of score, averaged over the parts; there is at least one part."""
        return float(np.mean([np.interp(level, self.levels, part) for part in self.quantiles[:, kind]]))


def later_scores(parts: Sequence[Sequence[FloatArray]]) -> LaterScores:
    """Summarise scores of later rows: for each part and kind `(n,)`, NaN where a row has no score.

    A part without any score is left out.
    """
    known = [[scores[~np.isnan(scores)] for scores in kinds] for kinds in parts]
    quantiles = [[np.quantile(scores, _LEVELS) for scores in kinds] for kinds in known if all(map(len, kinds))]
    n_kinds = len(known[0]) if known else 0
    return LaterScores(np.array(_LEVELS), np.array(quantiles).reshape(len(quantiles), n_kinds, len(_LEVELS)))


def widened(learned: Threshold, calibration: FloatArray, later: LaterScores | None, kind: int) -> Threshold:
    """Return the learned threshold, raised to the level of later training rows, and never lowered.

    Parameters
    ----------
    calibration
        The scores `(n,)` that it was learned from. The share of them below the threshold is the quantile of later
        scores that counts, up to 97 %.
    later
        `None` if nothing is known, as in older model files; the threshold then stays as it is.
    kind
        Number of the kind of score in `ThresholdSet`.
    """
    if later is None:
        return learned
    if not len(later.quantiles):
        return _noted(learned, "training is too short to show how scores change with distance from it")
    known = calibration[~np.isnan(calibration)]
    level = min(_HIGHEST, float(np.mean(known <= learned.value)))
    value = later.quantile(kind, level)
    if value <= learned.value:
        return learned
    return _noted(
        replace(learned, value=value),
        f"raised from {learned.value:.3g} to {value:.3g}, which {100 * level:.3g} % of later training rows stay below "
        "when only earlier rows are fitted",
    )


def _noted(threshold: Threshold, text: str) -> Threshold:
    return replace(threshold, note=f"{threshold.note}; {text}" if threshold.note else text)
