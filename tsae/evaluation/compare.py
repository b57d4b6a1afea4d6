"""Which of several detectors is better, over many series: ranks, tests, and choices made without looking.

All functions take a table of figures, higher = better, without gaps: one row a series (index `family`, `series`),
one column a model.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from scipy.stats import studentized_range, wilcoxon

from tsae.errors import DataError

__all__ = [
    "critical_difference",
    "family_mean",
    "holm",
    "leave_one_family_out",
    "mean_ranks",
    "wilcoxon_against_first",
    "wins",
]

_DIGITS = 6  # figures that agree so far are ties


def family_mean(figures: pd.DataFrame) -> pd.Series:
    """Mean of the families' means by model: families with many series do not count more."""
    return figures.groupby(level="family").mean().mean()


def wins(figures: pd.DataFrame) -> pd.Series:
    """On how many series a model is the best; those that share a first place share the win."""
    rounded = figures.round(_DIGITS)
    best = rounded.eq(rounded.max(axis=1), axis=0)
    return best.div(best.sum(axis=1), axis=0).sum()


def mean_ranks(figures: pd.DataFrame) -> pd.Series:
    """Mean rank by model, 1 = best; ties share the mean of their ranks."""
    return figures.round(_DIGITS).rank(axis=1, ascending=False).mean()


def critical_difference(n_models: int, n_series: int, *, alpha: float = 0.05) -> float:
    """Difference of mean ranks from which two models differ, by Nemenyi's test (Demšar, JMLR 2006).

    Examples
    --------
    >>> round(critical_difference(4, 14), 2)
    1.25
    """
    if n_models < 2 or n_series < 1:
        return math.nan
    quantile = float(studentized_range.ppf(1 - alpha, n_models, np.inf)) / math.sqrt(2)
    return quantile * math.sqrt(n_models * (n_models + 1) / (6 * n_series))


def wilcoxon_against_first(figures: pd.DataFrame) -> pd.Series:
    """Two-sided p by model that it differs from the first one: Wilcoxon's signed ranks, corrected after Holm.

    Zero differences count half on either side (Pratt); NaN for the first model itself.
    """
    first, *others = figures.columns
    differences = figures[others].sub(figures[first], axis=0).round(_DIGITS)
    raw = {
        name: float(wilcoxon(column, zero_method="zsplit").pvalue) if column.any() else 1.0
        for name, column in differences.items()
    }
    return pd.Series({first: math.nan, **dict(zip(raw, holm(list(raw.values())), strict=True))})


def holm(p_values: list[float]) -> list[float]:
    """P-values of several tests, such that the chance of any false finding is bounded (Holm 1979).

    Examples
    --------
    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    scaled = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(scaled, 1.0)
    return corrected.tolist()


def leave_one_family_out(figures: pd.DataFrame) -> pd.DataFrame:
    """What a choice among the models is worth on a family that it was not made on.

    Returns
    -------
    DataFrame
        One row a family: `n_series`, the model `chosen` on the other families (highest mean of family means),
        its mean `reached` here, and the `best` model here, seen with hindsight, with its mean `possible`.

    Raises
    ------
    DataError
        If there are fewer than two families.
    """
    families = figures.groupby(level="family").mean()
    if len(families) < 2:
        raise DataError(f"leaving one family out needs two families at least; these series have {len(families)}")
    lines = {}
    for family in map(str, families.index):
        here, others = families.loc[family], families.drop(index=family)
        chosen, best = str(others.mean().idxmax()), str(here.idxmax())
        lines[family] = {
            "n_series": len(figures.xs(family, level="family")),
            "chosen": chosen,
            "reached": here[chosen],
            "best": best,
            "possible": here[best],
        }
    return pd.DataFrame.from_dict(lines, orient="index")
