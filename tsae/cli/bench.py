"""`tsae bench`: how well detectors do on labelled series."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from tsae.cli.console import notice, print_table, progress, results
from tsae.cli.inputs import check_outputs
from tsae.errors import DataError, ParameterError
from tsae.series.formats.registry import format_names

if TYPE_CHECKING:
    import pandas as pd

    from tsae.evaluation.results import BenchmarkResult

__all__ = ["bench"]

_MODELS = ("AnomalyDetector", "pca-windows", "zscore", "random")
_HEADERS = {
    "n_series": "Series",
    "vus_pr": "VUS-PR",
    "family_mean": "Family mean",
    "seed_spread": "± seeds",
    "auc_pr": "AUC-PR",
    "wins": "Wins",
    "mean_rank": "Rank",
    "p": "p",
    "fit_seconds": "Fit s",
    "score_seconds": "Score s",
    "detector": "Detector",
    "protocol": "Protocol",
    "ours": "Ours",
    "theirs": "Theirs",
    "difference": "Difference",
    "ours_family_mean": "Ours, family mean",
    "theirs_family_mean": "Theirs, family mean",
    "chosen": "Chosen on the others",
    "reached": "VUS-PR",
    "best": "Best here",
    "possible": "VUS-PR of the best",
}
_DIGITS = {"wins": 1, "mean_rank": 2, "fit_seconds": 2, "score_seconds": 2}


def bench(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER",
            help=f"<family>/<series>/{{train,test}}.csv[.gz] ({format_names()}), files with TSB-AD names, or one "
            "labelled table.",
            show_default=False,
        ),
    ],
    *,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            help="A preset, a kind (undercomplete, deep, …), AnomalyDetector, random, zscore, pca-windows, or an "
            'import path, each with arguments: "fast(lag=16)"; repeatable. The first one is compared with the others.',
            show_default=", ".join(_MODELS),
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Results, CSV; what is in it is not run again.")] = Path(
        "bench.csv"
    ),
    against: Annotated[
        Path | None,
        typer.Option(help="Results of others, CSV: detector,protocol,family,series,vus_pr.", show_default=False),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Series to take, such as 'nab/*'; repeatable.", show_default=False)
    ] = None,
    max_test_rows: Annotated[
        int | None, typer.Option(help="Leave out series with more test rows.", show_default=False)
    ] = None,
    train_rows: Annotated[
        str | None,
        typer.Option(
            help="Of one table, the first rows to fit on: a number, or a share such as 30%.", show_default=False
        ),
    ] = None,
    seeds: Annotated[str, typer.Option(help="One fit each: 0,1,2.")] = "0",
    lags: Annotated[
        str | None, typer.Option(help="Score tsae's detectors at several lags: 0,16,auto.", show_default=False)
    ] = None,
    jobs: Annotated[int, typer.Option(help="Processes, one thread each; -1 for one a core.")] = -1,
    check_protocol: Annotated[
        int, typer.Option(help="On how many series to check that no model uses statistics of the rows it scores.")
    ] = 3,
    families: Annotated[bool, typer.Option("--families", help="Show the families too.")] = False,
    leave_one_family_out: Annotated[
        bool, typer.Option("--leave-one-family-out", help="Show what choosing among the models is worth elsewhere.")
    ] = False,
    retry: Annotated[bool, typer.Option("--retry", help="Run again what failed or was refused.")] = False,
) -> None:
    """Fit detectors on the training rows of labelled series, score the test rows, and compare.

    An interrupted run goes on where it was when the same command is given again.
    """
    from tsae.evaluation.bench import run_benchmark
    from tsae.evaluation.catalogue import find_series
    from tsae.evaluation.compare import read_peers

    check_outputs([out], [folder, against])
    peers = None if against is None else read_peers(against)
    series = find_series(folder, only=only or (), train_rows=_train_rows(train_rows), max_test_rows=max_test_rows)
    try:
        result = run_benchmark(
            series,
            model or _MODELS,
            out,
            seeds=[_number("--seeds", part) for part in seeds.split(",")],
            lags=[_lag(part) for part in lags.split(",")] if lags else (),
            n_jobs=jobs,
            n_checked=check_protocol,
            retry=retry,
            report=_report,
        )
    except SystemExit as stop:  # Lightning's answer to an interrupt
        raise KeyboardInterrupt from stop
    for problem in result.problems():
        notice(problem)
    if result.figures().empty:
        raise DataError("there is nothing to compare: no series has a figure of each model that finished")
    _print_summary(result)
    if families:
        _print("VUS-PR by family", "Family", result.by_family())
    if leave_one_family_out:
        _print_left_out(result)
    if peers is not None:
        _print_against(result, peers)


def _report(row: dict[str, Any], n_done: int, n_all: int) -> None:
    if row["status"] == "done":
        outcome = f"VUS-PR {row['vus_pr']:.3f} in {row['fit_seconds'] + row['score_seconds']:.1f} s"
    else:
        outcome = f"{row['status']}: {row['error']}"
    progress(f"{n_done}/{n_all} {row['family']}/{row['series']}, {row['model']}, seed {row['seed']}: {outcome}")


def _print_summary(result: BenchmarkResult) -> None:
    table = result.summary().dropna(axis="columns", how="all")
    n_series = len(result.figures())
    _print(f"{n_series} series", "Model", table)
    lines = [
        "Fitted on training rows without labels, scored without statistics of the scored rows (inductive); "
        f"checked on {result.n_checked()} results."
    ]
    if len(table) > 1:
        lines += [
            f"Ranks that differ by less than {result.critical_difference():.2f} are ties (Nemenyi, 5 %).",
            f"p: Wilcoxon's signed ranks against {table.index[0]}, corrected after Holm.",
        ]
    results().print(Text("\n".join(lines)))


def _print_left_out(result: BenchmarkResult) -> None:
    from tsae.evaluation.compare import leave_one_family_out

    table = leave_one_family_out(result.figures())
    _print("Each family with the model chosen on the other families", "Family", table)
    over_series = (table["reached"] * table["n_series"]).sum() / table["n_series"].sum()
    results().print(
        Text(f"Chosen so, VUS-PR is {over_series:.3f}, the mean of family means {table['reached'].mean():.3f}.")
    )


def _print_against(result: BenchmarkResult, peers: pd.DataFrame) -> None:
    from tsae.evaluation.compare import against_oracle, against_peers

    figures = result.figures()
    table = against_peers(figures, peers)
    table.index = table.pop("detector")
    _print(f"{figures.columns[0]} against others, VUS-PR on the series that both have", "Detector", table)
    for protocols, title in ((None, "all others"), (["T"], "others that do not fit on the rows they score")):
        chosen = peers if protocols is None else peers[~peers["protocol"].isin(protocols)]
        if protocols is None or len(chosen) < len(peers):
            _print(f"Against the best on each series of {title} (oracle)", "Model", against_oracle(figures, chosen))


def _print(title: str, index: str, table: pd.DataFrame) -> None:
    headers = [index, *(_HEADERS.get(str(name), str(name)) for name in table.columns)]
    rows = [
        [str(name), *map(_cell, table.columns, line)] for name, line in zip(table.index, table.to_numpy(), strict=True)
    ]
    print_table(title, headers, rows)


def _cell(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if value != value:
        return "–"
    if name == "n_series":
        return f"{value:.0f}"
    if name == "p":
        return "<.001" if value < 0.001 else f"{value:.3f}"
    return f"{value:.{_DIGITS.get(name, 3)}f}"


def _train_rows(text: str | None) -> int | float | None:
    if text is None:
        return None
    try:
        rows = float(text.removesuffix("%")) / 100 if text.endswith("%") else int(text)
    except ValueError as error:
        raise ParameterError(f"`--train-rows` (={text!r}) must be a number of rows, or a share such as 30%") from error
    return rows


def _number(option: str, text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise ParameterError(
            f"`{option}` (={text!r}) must be whole numbers with commas between, such as 0,1,2"
        ) from error


def _lag(text: str) -> int | str:
    return "auto" if text.strip() == "auto" else _number("--lags", text)
