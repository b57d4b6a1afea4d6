"""Which of several detectors is better, over many series: ranks, tests, choices made without looking, and peers.

Functions take a table of figures, higher = better, without gaps: one row a series (index `family`, `series`),
one column a model.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import studentized_range, wilcoxon

from tsae.errors import DataError

__all__ = [
    "against_oracle",
    "against_peers",
    "critical_difference",
    "family_mean",
    "holm",
    "leave_one_family_out",
    "mean_ranks",
    "read_peers",
    "wilcoxon_against_first",
    "wins",
]

_DIGITS = 6  # figures that agree so far are ties
_SERIES = ["family", "series"]
_NEEDED = ("detector", "family", "series", "vus_pr")
_COMPARED = ["n_series", "ours", "theirs", "difference", "ours_family_mean", "theirs_family_mean", "wins"]
_WRITTEN_DIGITS = 4  # to which results are commonly written down


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


def read_peers(path: Path) -> pd.DataFrame:
    """Results of other detectors.

    Parameters
    ----------
    path : Path
        CSV with columns `detector` (or `model`), `family`, `series`, `vus_pr`, and if known `protocol`: "T" for a
        detector that also fits on the rows it scores. Several results of a detector on a series (seeds) are
        averaged. A results file of the benchmark is one too.

    Returns
    -------
    DataFrame
        One row a detector and series: `detector`, `protocol` ("" if not stated), `family`, `series`, `vus_pr`.

    Raises
    ------
    DataError
        If the file cannot be read or lacks a column.
    """
    try:
        table = pd.read_csv(path, dtype=dict.fromkeys(("detector", "model", "protocol", "family", "series"), "str"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as a CSV table ({error})") from error
    if "detector" not in table.columns:
        table = table.rename(columns={"model": "detector"})
    missing = [name for name in _NEEDED if name not in table.columns]
    if missing:
        raise DataError(f"{path}: columns {missing} are missing; results need {', '.join(_NEEDED)}")
    table["protocol"] = table["protocol"].fillna("") if "protocol" in table.columns else ""
    known = table.dropna(subset=["vus_pr"])
    return known.groupby(["detector", "protocol", *_SERIES], sort=False)["vus_pr"].mean().reset_index()


def against_peers(figures: pd.DataFrame, peers: pd.DataFrame) -> pd.DataFrame:
    """Compare the first model with each peer.

    Parameters
    ----------
    figures : DataFrame
        VUS-PR by series (index `family`, `series`) and model.
    peers : DataFrame
        From `read_peers`.

    Returns
    -------
    DataFrame
        One row a peer that shares a series, the strongest first: `detector`, `protocol`, and the columns of
        `against_oracle`, with `theirs` for the peer's figures.
    """
    lines = []
    for (detector, protocol), results in peers.groupby(["detector", "protocol"], sort=False):
        theirs = results.set_index(_SERIES)["vus_pr"]
        line = _compared(figures.iloc[:, 0], theirs)
        if line["n_series"]:
            lines.append({"detector": detector, "protocol": protocol, **line})
    table = pd.DataFrame(lines, columns=["detector", "protocol", *_COMPARED])
    return table.sort_values("difference", ignore_index=True, kind="stable")


def against_oracle(figures: pd.DataFrame, peers: pd.DataFrame) -> pd.DataFrame:
    """Compare each model with the best peer on each series: a choice that only hindsight can make.

    Returns
    -------
    DataFrame
        One row a model: `n_series` that both have, means `ours` and `theirs`, their `difference`, means of family
        means `ours_family_mean` and `theirs_family_mean`, and `wins`, ties counting one half.
    """
    best = peers.groupby(_SERIES)["vus_pr"].max()
    lines = {name: _compared(column, best) for name, column in figures.items()}
    return pd.DataFrame.from_dict(lines, orient="index", columns=_COMPARED)


def _compared(ours: pd.Series, theirs: pd.Series) -> dict[str, float]:
    both = pd.DataFrame({"ours": ours, "theirs": theirs}).dropna().round(_WRITTEN_DIGITS)
    both.index = both.index.set_names(_SERIES)
    means, family_means = both.mean(), family_mean(both)
    values = (means["ours"], means["theirs"], means["ours"] - means["theirs"], *family_means, wins(both)["ours"])
    return dict(zip(_COMPARED, (len(both), *values), strict=True))
