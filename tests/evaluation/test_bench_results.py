"""The results file survives interruptions; tables and tests say what a person would compute by hand."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wilcoxon

from tests.evaluation.strategies import patient
from tsae.errors import DataError, OutputError
from tsae.evaluation.compare import (
    against_oracle,
    against_peers,
    critical_difference,
    family_mean,
    holm,
    leave_one_family_out,
    mean_ranks,
    read_peers,
    wilcoxon_against_first,
    wins,
)
from tsae.evaluation.results import COLUMNS, BenchmarkResult, ResultsFile


def row(series: str, model: str, vus_pr: float = 0.5, *, seed: int = 0, **more: Any) -> dict[str, Any]:
    family, name = series.split("/")
    figures = {"vus_pr": vus_pr, "auc_pr": vus_pr / 2, "fit_seconds": 2.0, "score_seconds": 1.0, "checked": False}
    return {"family": family, "series": name, "model": model, "seed": seed, "status": "done", **figures, **more}


def failed(series: str, model: str, status: str = "failed") -> dict[str, Any]:
    family, name = series.split("/")
    return {"family": family, "series": name, "model": model, "seed": 0, "status": status, "error": 'it\n broke, "so"'}


def test_what_is_appended_is_read(tmp_path: Path) -> None:
    file = ResultsFile(tmp_path / "out.csv")
    assert file.read().empty
    file.append([row("f/007", "m(x='a, b')", 1 / 3), failed("f/NA", "m")])
    file.append([row("f/007", "m(x='a, b')", 0.25, checked=True)])
    table = ResultsFile(tmp_path / "out.csv").read()
    assert table["series"].tolist() == ["NA", "007"]
    assert table["model"].tolist() == ["m", "m(x='a, b')"]
    assert table["error"].tolist() == ['it broke, "so"', ""]
    assert table["vus_pr"].tolist()[1] == 0.25
    assert np.isnan(table["vus_pr"][0])
    assert table["checked"].tolist() == ["", "True"]


@settings(patient, max_examples=30)
@given(data=st.data())
def test_a_torn_line_does_not_count(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("torn") / "out.csv"
    ResultsFile(path).append([row(f"f/{number}", "m", number / 10) for number in range(3)])
    content = path.read_bytes()
    cut = data.draw(st.integers(0, len(content)))
    path.write_bytes(content[:cut])
    whole = max(content[:cut].count(b"\n") - 1, 0)
    assert len(ResultsFile(path).read()) == whole
    ResultsFile(path).append([row("f/new", "m", 0.9)])
    assert ResultsFile(path).read()["series"].tolist() == [*map(str, range(whole)), "new"]
    assert path.read_bytes().startswith(",".join(COLUMNS).encode() + b"\n")


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "sensors.csv"
    path.write_text("time,flow\n1,2\n")
    with pytest.raises(DataError, match="is not a results file"):
        ResultsFile(path).read()
    with pytest.raises(OutputError, match="cannot write"):
        ResultsFile(tmp_path / "absent" / "out.csv").append([])


FIGURES = pd.DataFrame(
    {"a": [0.9, 0.5, 0.4, 0.2], "b": [0.8, 0.5, 0.6, 0.1], "c": [0.1, 0.2, 0.6, 0.0]},
    index=pd.MultiIndex.from_tuples([("f", "1"), ("f", "2"), ("f", "3"), ("g", "1")], names=["family", "series"]),
)


def test_wins_ranks_and_family_means() -> None:
    assert wins(FIGURES).round(6).to_dict() == {"a": 2.5, "b": 1.0, "c": 0.5}
    assert mean_ranks(FIGURES).to_dict() == {"a": (1 + 1.5 + 3 + 1) / 4, "b": (2 + 1.5 + 1.5 + 2) / 4, "c": 10.5 / 4}
    assert family_mean(FIGURES).round(6).to_dict() == {"a": 0.4, "b": round((1.9 / 3 + 0.1) / 2, 6), "c": 0.15}


@pytest.mark.parametrize(("n_models", "q"), [(2, 1.960), (3, 2.343), (5, 2.728), (10, 3.164)])
def test_critical_difference_has_the_published_quantiles(n_models: int, q: float) -> None:
    # Demšar, Statistical comparisons of classifiers over multiple data sets, JMLR 2006, table 5 (a)
    expected = q * (n_models * (n_models + 1) / (6 * 30)) ** 0.5
    assert critical_difference(n_models, 30) == pytest.approx(expected, rel=5e-4)
    assert np.isnan(critical_difference(1, 30))


@patient
@given(st.lists(st.sampled_from([0.001, 0.01, 0.02, 0.04, 0.3, 1.0]), min_size=1, max_size=6))
def test_holm_rejects_what_the_step_down_procedure_rejects(p_values: list[float]) -> None:
    corrected = holm(p_values)
    for alpha in (0.0495, 0.1005, 0.25):
        rejected = set()
        for step, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
            if p_values[place] * (len(p_values) - step) > alpha:
                break
            rejected.add(place)
        assert {place for place, p in enumerate(corrected) if p <= alpha} == rejected
    assert all(0 <= p <= 1 for p in corrected)


def test_paired_test_finds_a_steady_difference_and_no_more() -> None:
    rng = np.random.default_rng(0)
    first = rng.random(30)
    table = pd.DataFrame(
        {"first": first, "same": first, "worse": first - 0.1 * rng.random(30), "noise": rng.permutation(first)}
    )
    p = wilcoxon_against_first(table)
    assert np.isnan(p["first"])
    assert p["same"] == 1
    assert p["worse"] == pytest.approx(3 * wilcoxon(table["worse"] - first).pvalue)
    assert p["worse"] < 0.001 < 0.05 < p["noise"]


def test_a_family_is_left_out_of_its_own_choice() -> None:
    table = leave_one_family_out(FIGURES)
    # on f alone b is best, on g alone a is
    assert table["chosen"].to_dict() == {"f": "a", "g": "b"}
    assert table["best"].to_dict() == {"f": "b", "g": "a"}
    assert table["reached"].round(6).to_dict() == {"f": 0.6, "g": 0.1}
    assert table["n_series"].to_dict() == {"f": 3, "g": 1}
    with pytest.raises(DataError, match="needs two families"):
        leave_one_family_out(FIGURES.loc[["f"]])


def result(*rows: dict[str, Any], models: tuple[str, ...] = ("a", "b")) -> BenchmarkResult:
    table = pd.DataFrame(rows, columns=list(COLUMNS)).astype({"checked": "str"})
    return BenchmarkResult(table, models)


def test_summary_averages_seeds_first() -> None:
    rows = [
        row(name, "a", value, seed=seed, checked=True)
        for (name, value), seed in itertools.product([("f/1", 0.2), ("f/2", 0.4), ("g/1", 0.9)], [0])
    ]
    rows += [
        row(name, "b", value + 0.2 * seed, seed=seed)
        for name, value in [("f/1", 0), ("f/2", 0.5), ("g/1", 0.8)]
        for seed in (0, 1)
    ]
    table = result(*rows).summary()
    assert table.index.tolist() == ["a", "b"]
    assert table["vus_pr"].round(6).tolist() == [0.5, round((0.1 + 0.6 + 0.9) / 3, 6)]
    assert table["family_mean"].round(6).tolist() == [0.6, round((0.35 + 0.9) / 2, 6)]
    assert table["auc_pr"].round(6).tolist() == [0.25, round(table["vus_pr"]["b"] / 2, 6)]
    assert table["wins"].tolist() == [1.5, 1.5]
    assert np.isnan(table["seed_spread"]["a"])
    assert table["seed_spread"]["b"] == pytest.approx(np.std([0, 0.2], ddof=1))
    assert table["fit_seconds"].tolist() == [2, 2]
    assert result(*rows).n_checked() == 3
    assert result(*rows).by_family().loc["f"].round(6).tolist() == [2, 0.3, 0.35]


def test_models_are_compared_where_all_of_them_have_a_figure() -> None:
    both = result(
        row("f/1", "a", 0.2),
        row("f/2", "a", 0.8),
        row("f/3", "a", np.nan),
        row("f/1", "b", 0.3),
        failed("f/2", "b"),
        row("f/3", "b", np.nan),
    )
    assert both.figures().index.tolist() == [("f", "1")]
    assert both.summary()["vus_pr"].tolist() == [0.2, 0.3]
    assert both.summary()["mean_rank"].tolist() == [2, 1]
    assert both.problems() == [
        'b failed on 1 series, first on f/2: it\n broke, "so"',
        "tables are over the 1 of 3 series on which every model has a figure (without an anomalous row there is none)",
    ]


def test_a_model_that_never_finished_or_was_refused_hides_no_series() -> None:
    both = result(
        row("f/1", "a"),
        row("f/2", "a"),
        row("f/1", "b"),
        failed("f/2", "b", "refused"),
        failed("f/1", "c"),
        models=("a", "b", "c"),
    )
    assert both.figures().columns.tolist() == ["a"]
    assert len(both.figures()) == 2
    assert np.isnan(both.critical_difference())
    assert [sentence.split(" on ")[0] for sentence in both.problems()] == ["b was refused", "c failed"]


def test_nothing_finished_gives_empty_tables() -> None:
    assert result(failed("f/1", "a")).summary().empty
    assert result().figures().empty


PEERS = """detector,protocol,family,series,vus_pr
strong,P,f,1,0.95
strong,P,f,2,0.5
cheat,T,f,1,0.99
cheat,T,g,1,0.9
elsewhere,P,h,1,1.0
weak,P,f,3,0.1
weak,P,f,3,0.3
weak,P,g,1,
"""


def test_peers_are_joined_on_series_that_both_have(tmp_path: Path) -> None:
    path = tmp_path / "reference.csv"
    path.write_text(PEERS)
    peers = read_peers(path)
    table = against_peers(FIGURES, peers).set_index("detector")
    assert table.index.tolist() == ["cheat", "strong", "weak"]
    assert table["protocol"].tolist() == ["T", "P", "P"]
    assert table["n_series"].tolist() == [2, 2, 1]
    assert table["ours"].round(6).tolist() == [0.55, 0.7, 0.4]
    assert table["theirs"].round(6).tolist() == [0.945, 0.725, 0.2]
    assert table["theirs_family_mean"].round(6).tolist() == [0.945, 0.725, 0.2]
    assert table["wins"].tolist() == [0, 0.5, 1]
    oracle = against_oracle(FIGURES, peers)
    assert oracle["n_series"].tolist() == [4, 4, 4]
    assert oracle["theirs"].round(6).tolist() == [round((0.99 + 0.5 + 0.2 + 0.9) / 4, 6)] * 3
    assert oracle["theirs_family_mean"].round(6).tolist() == [round(((0.99 + 0.5 + 0.2) / 3 + 0.9) / 2, 6)] * 3
    assert oracle["wins"].tolist() == [1.5, 1.5, 1]


def test_own_results_are_peers_too(tmp_path: Path) -> None:
    ResultsFile(tmp_path / "out.csv").append([row("f/1", "m", 0.7), failed("f/2", "m")])
    peers = read_peers(tmp_path / "out.csv")
    assert peers.to_dict("records") == [{"detector": "m", "protocol": "", "family": "f", "series": "1", "vus_pr": 0.7}]


def test_a_file_without_the_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "reference.csv"
    path.write_text("detector,vus\na,1\n")
    with pytest.raises(DataError, match=r"columns \['family', 'series', 'vus_pr'\] are missing"):
        read_peers(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_peers(tmp_path / "absent.csv")
