"""Some of the series of a folder: what a benchmark runs on when all of them would take too long."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tsae.evaluation.catalogue import SeriesFiles

__all__ = ["sampled"]


def sampled(series: Sequence[SeriesFiles], per_family: int | None, seed: int) -> list[SeriesFiles]:
    """At most `per_family` series of each family, drawn at random."""
    rng = np.random.default_rng(seed)
    chosen = []
    for family in sorted({files.family for files in series}):
        members = [files for files in series if files.family == family]
        n = len(members) if per_family is None else min(per_family, len(members))
        chosen += [members[number] for number in sorted(rng.permutation(len(members))[:n])]
    return chosen
