"""Scores of later training rows by linear members that are fitted on earlier ones."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from tsae.alarms.thresholds import LaterScores, later_scores
from tsae.checks import evenly
from tsae.errors import DataError
from tsae.fitting.build import fit_linear_model
from tsae.fitting.options import SeriesOptions
from tsae.fitting.training_rows import Span, held_out_scores, split_in_time
from tsae.scoring.whole_series import CalibrationScores

__all__ = ["learn_later_scores"]

_SHARES = (1 / 3, 2 / 3)  # of training, to fit on
_FEWEST_EARLIER = 100  # rows, below which nothing can be fitted that scores like the detector
_MOST_SCORED = 1800  # rows a part; scoring all of a long table would outlast the training
_BLOCKS = 3
_MOST_SPANS = 20  # each takes context besides its scored rows


def learn_later_scores(
    spans: Sequence[Span], options: SeriesOptions, *, held_out: float, lag: int | None
) -> LaterScores:
    """Fit on the first third and the first two thirds of training, and summarise how the rows after them score.

    Parameters
    ----------
    spans
        The training rows, as `used_spans` gives them.
    held_out
        Share of the earlier rows that is kept out of the fit, as in the fit on all of them.
    lag
        Rows that a score may wait; `None` for all that help.
    """
    parts = [_scores_after(spans, share, options, held_out=held_out, lag=lag) for share in _SHARES]
    return later_scores([part for part in parts if part is not None])


def _scores_after(
    spans: Sequence[Span], share: float, options: SeriesOptions, *, held_out: float, lag: int | None
) -> CalibrationScores | None:
    """Return the scores of rows after the first `share` of training; `None` if these are too few to fit on."""
    earlier, later = split_in_time(spans, share, held_out=held_out)
    if sum(len(span.values) for span in earlier) < _FEWEST_EARLIER:
        return None
    try:
        ensemble = fit_linear_model(earlier, options)
    except DataError:  # a stated window is longer than the earlier rows
        return None
    full = ensemble.full_lag
    return held_out_scores(ensemble, _sampled(later), lag=full if lag is None else min(lag, full))


def _sampled(later: Sequence[Span]) -> list[Span]:
    """Return some blocks of the held-out rows, spread evenly over some spans; all of them if they are not many."""
    later = [later[place] for place in evenly(len(later), _MOST_SPANS).tolist()]
    share = min(1.0, _MOST_SCORED / sum(span.n_held_out for span in later))
    if share == 1:
        return later
    blocks = []
    for span in later:
        n_blocks = max(1, min(_BLOCKS, span.n_held_out * _BLOCKS // _MOST_SCORED))
        edges = np.linspace(len(span.values) - span.n_held_out, len(span.values), n_blocks + 1).astype(int).tolist()
        for start, stop in pairwise(edges):
            n_scored = max(1, int(share * (stop - start)))
            blocks.append(Span(span.values[: start + n_scored], n_scored, span.entity))
    return blocks
