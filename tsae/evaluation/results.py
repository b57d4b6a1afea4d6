"""Results on disk, a CSV that grows by a line when a result is there, and the tables made from them."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tsae.errors import DataError, OutputError
from tsae.evaluation.compare import critical_difference, family_mean, mean_ranks, wilcoxon_against_first, wins

__all__ = ["COLUMNS", "DONE", "FAILED", "KEY", "REFUSED", "BenchmarkResult", "ResultsFile"]

DONE, FAILED, REFUSED = "done", "failed", "refused"
KEY = ("family", "series", "model", "seed")
"""What a result is known by."""
_TEXT = ("family", "series", "model", "status", "checked", "error")
COLUMNS = (
    *KEY,
    *("status", "n_train", "n_test", "n_channels", "anomaly_ratio", "vus_pr", "vus_roc", "auc_pr", "auc_roc"),
    *("flagged_normal", "event_recall", "fit_seconds", "score_seconds", "checked", "error"),
)
"""In the order of the file. Figures that do not apply are empty."""
_SERIES = ["family", "series"]


class ResultsFile:
    """Results on disk. A last line without its end was being written when the power went: it does not count."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_mended = False

    def read(self) -> pd.DataFrame:
        """All results, the latest one of each key.

        Raises
        ------
        DataError
            If the file is not a results file.
        """
        content = self._whole_lines()
        header = content.split(b"\n", 1)[0].decode(errors="replace").split(",")
        if content and tuple(header) != COLUMNS:
            raise DataError(f"{self._path} is not a results file of this version; name another file")
        table = pd.read_csv(
            io.BytesIO(content or ",".join(COLUMNS).encode()),
            dtype=dict.fromkeys(_TEXT, "str"),
            keep_default_na=False,
            na_values={name: [""] for name in COLUMNS if name not in _TEXT},
        )
        return table.drop_duplicates([*KEY], keep="last", ignore_index=True)

    def append(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add results and see them onto the disk.

        Raises
        ------
        OutputError
            If they cannot be written.
        """
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        try:
            if not self._is_mended:
                self._mend()
            writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
            self._write(text.getvalue())
        except OSError as error:
            raise OutputError(f"cannot write {str(self._path)!r}: {error.strerror}; choose another path") from error

    def _mend(self) -> None:
        """Leave whole lines only, and at least the header."""
        length = len(self._whole_lines())
        with self._path.open("ab") as file:
            file.truncate(length)
        if not length:
            self._write(",".join(COLUMNS) + "\n")
        self._is_mended = True

    def _write(self, text: str) -> None:
        with self._path.open("ab") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())

    def _whole_lines(self) -> bytes:
        if not self._path.exists():
            return b""
        content = self._path.read_bytes()
        return content[: content.rfind(b"\n") + 1]


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return " ".join(value.split())
    return "" if value != value else value  # NaN is no figure


@dataclass(frozen=True)
class BenchmarkResult:
    """Results of several models on several series."""

    rows: pd.DataFrame
    """One row per series, model and seed, with the columns of the results file."""
    models: tuple[str, ...]
    """In the order of the tables; the first one is what others are compared with."""

    def figures(self, name: str = "vus_pr") -> pd.DataFrame:
        """A figure by series (index `family`, `series`) and model, the mean over seeds.

        Only series on which every model has the figure, and only models that were not refused and have finished
        somewhere: means over different series cannot be compared.
        """
        return self._table(name).reindex(self._common)

    def summary(self) -> pd.DataFrame:
        """One row a model.

        Returns
        -------
        DataFrame
            `vus_pr`: mean over series; `family_mean`: mean of the families' means; `seed_spread`: standard
            deviation of `vus_pr` over seeds, NaN with one; `auc_pr`; `wins`: series on which it is best, ties
            shared; `mean_rank`: 1 = best; `p`: Wilcoxon against the first model, corrected after Holm;
            `fit_seconds`, `score_seconds`: mean a series, in processor seconds of one thread.
        """
        figures = self.figures()
        if figures.empty:
            return pd.DataFrame(index=figures.columns)
        return pd.DataFrame(
            {
                "vus_pr": figures.mean(),
                "family_mean": family_mean(figures),
                "seed_spread": self._seed_spread(),
                "auc_pr": self.figures("auc_pr").mean(),
                "wins": wins(figures),
                "mean_rank": mean_ranks(figures),
                "p": wilcoxon_against_first(figures),
                "fit_seconds": self.figures("fit_seconds").mean(),
                "score_seconds": self.figures("score_seconds").mean(),
            },
            index=figures.columns,
        )

    def critical_difference(self) -> float:
        """Difference of mean ranks from which two models differ at the 5 % level; NaN for a single model."""
        n_series, n_models = self.figures().shape
        return critical_difference(n_models, n_series)

    def by_family(self) -> pd.DataFrame:
        """Mean VUS-PR by family and model, after a column `n_series`."""
        families = self.figures().groupby(level="family")
        table = families.mean()
        table.insert(0, "n_series", families.size())
        return table

    def problems(self) -> list[str]:
        """Sentences on what the tables leave out, and why."""
        sentences = []
        for status, verb in ((REFUSED, "was refused"), (FAILED, "failed")):
            for model, lines in self.rows[self.rows["status"] == status].groupby("model", sort=False):
                first = lines.iloc[0]
                where = f"{first['family']}/{first['series']}"
                sentences.append(f"{model} {verb} on {len(lines)} series, first on {where}: {first['error']}")
        n_all, n_common = len(self.rows.drop_duplicates(_SERIES)), len(self._common)
        if n_common < n_all:
            sentences.append(
                f"tables are over the {n_common} of {n_all} series on which every model has a figure (without an "
                "anomalous row there is none)"
            )
        return sentences

    def n_checked(self) -> int:
        """On how many results it was seen that no statistics of scored rows are used."""
        return int((self.rows["checked"] == "True").sum())

    def _table(self, name: str) -> pd.DataFrame:
        refused = set(self.rows.loc[self.rows["status"] == REFUSED, "model"])
        done = self.rows[(self.rows["status"] == DONE) & ~self.rows["model"].isin(refused)]
        table = done.pivot_table(index=_SERIES, columns="model", values=name, aggfunc="mean", dropna=False)
        return table[[model for model in self.models if model in table.columns]]

    @property
    def _common(self) -> pd.Index:
        return self._table("vus_pr").dropna().index

    def _seed_spread(self) -> pd.Series:
        """Standard deviation over seeds of the mean over series."""
        rows = self.rows.set_index(_SERIES)
        rows = rows[rows.index.isin(self._common)]
        return rows.groupby(["model", "seed"])["vus_pr"].mean().groupby("model").std()
