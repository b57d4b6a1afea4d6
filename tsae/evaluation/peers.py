"""Compare with results of other detectors, computed elsewhere, on the series that both have."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from tsae.errors import DataError
from tsae.evaluation.compare import family_mean, wins

__all__ = ["against_oracle", "against_peers", "read_peers"]

_SERIES = ["family", "series"]
_NEEDED = ("detector", "family", "series", "vus_pr")
_DIGITS = 4  # to which results are commonly written down


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
    table = pd.DataFrame(lines, columns=["detector", "protocol", *_compared_columns()])
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
    return pd.DataFrame.from_dict(lines, orient="index", columns=_compared_columns())


def _compared(ours: pd.Series, theirs: pd.Series) -> dict[str, float]:
    both = pd.DataFrame({"ours": ours, "theirs": theirs}).dropna().round(_DIGITS)
    both.index = both.index.set_names(_SERIES)
    means, family_means = both.mean(), family_mean(both)
    values = (
        len(both),
        means["ours"],
        means["theirs"],
        means["ours"] - means["theirs"],
        family_means["ours"],
        family_means["theirs"],
        wins(both)["ours"],
    )
    return dict(zip(_compared_columns(), values, strict=True))


def _compared_columns() -> list[str]:
    return ["n_series", "ours", "theirs", "difference", "ours_family_mean", "theirs_family_mean", "wins"]
