"""The benchmark as a whole: protocol, resuming, errors, lags, processes, the command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from tests.evaluation.bench_folder import N_TEST, N_TRAIN, SERIES, make_table, write_folder
from tests.evaluation.detectors import fits
from tsae import AnomalyDetector
from tsae.cli.app import app
from tsae.errors import ParameterError, TrainingError
from tsae.evaluation import auc_pr, auc_roc, vus
from tsae.evaluation.bench import run_benchmark
from tsae.evaluation.catalogue import SeriesFiles, find_series
from tsae.evaluation.results import ResultsFile

HERE = "tests.evaluation.detectors"
TINY = "fast(max_steps=5, window_size=8)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("bench"))


@pytest.fixture(scope="module")
def series(folder: Path) -> list[SeriesFiles]:
    return find_series(folder)


@pytest.fixture(autouse=True)
def _count_from_zero() -> None:
    fits.clear()


def test_figures_are_those_of_the_detector_used_by_hand(series: list[SeriesFiles], tmp_path: Path) -> None:
    forest = "sklearn.ensemble.IsolationForest(n_estimators=50)"
    result = run_benchmark(series, [TINY, forest, "zscore", "random"], tmp_path / "out.csv", n_jobs=1)
    assert result.models == (TINY, forest, "zscore", "random")
    assert len(result.rows) == 12
    assert (result.rows["status"] == "done").all()
    table = make_table(1)
    values, labels = table[["s0", "s1"]].to_numpy(), table["label"].to_numpy()[N_TRAIN:]
    detector = AnomalyDetector(preset="alone", max_steps=5, window_size=8, random_state=0).fit(values[:N_TRAIN])
    scores = -detector.score_samples(values[N_TRAIN:])
    row = result.rows.query("family == 'pumps' and series == 'b' and model == @TINY").iloc[0]
    assert row["vus_pr"] == pytest.approx(vus(labels, scores).pr, rel=1e-6)
    assert row["vus_roc"] == pytest.approx(vus(labels, scores).roc, rel=1e-6)
    assert row["auc_pr"] == pytest.approx(auc_pr(labels, scores), rel=1e-6)
    assert row["auc_roc"] == pytest.approx(auc_roc(labels, scores), rel=1e-6)
    flags = scores > detector.threshold_
    assert row["flagged_normal"] == pytest.approx(flags[labels == 0].mean())
    assert row["event_recall"] == float(flags[labels == 1].any())
    assert (row["n_train"], row["n_test"], row["n_channels"], row["anomaly_ratio"]) == (N_TRAIN, N_TEST, 2, 0.2)
    assert 0 < row["fit_seconds"] < 60
    summary = result.summary()
    assert summary["vus_pr"][TINY] > summary["vus_pr"]["random"]
    assert result.n_checked() == 12
    assert result.problems() == []


def test_what_is_finished_is_not_run_again(series: list[SeriesFiles], tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    first = run_benchmark(series, [f"{HERE}.Level"], out, n_jobs=1)
    assert fits["level"] == 3
    out.write_bytes(out.read_bytes()[:-20])
    seen: list[tuple[str, int, int]] = []

    def report(row: dict[str, Any], n_done: int, n_all: int) -> None:
        seen.append((row["model"], n_done, n_all))

    second = run_benchmark(series, [f"{HERE}.Level", "zscore"], out, n_jobs=1, report=report)
    assert fits["level"] == 4
    assert sorted(n for _, n, _ in seen) == [1, 2, 3, 4]
    assert {n for _, _, n in seen} == {4}
    assert second.models == (f"{HERE}.Level", "zscore")
    pd.testing.assert_series_equal(first.figures()[f"{HERE}.Level"], second.figures()[f"{HERE}.Level"])
    assert len(run_benchmark(series[:1], ["zscore"], out, n_jobs=1).rows) == 1


def test_an_interruption_keeps_what_was_finished(series: list[SeriesFiles], tmp_path: Path) -> None:
    def interrupt(row: dict[str, Any], n_done: int, n_all: int) -> None:
        if n_done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_benchmark(series, [f"{HERE}.Level"], tmp_path / "out.csv", n_jobs=1, report=interrupt)
    assert len(ResultsFile(tmp_path / "out.csv").read()) == 2
    run_benchmark(series, [f"{HERE}.Level"], tmp_path / "out.csv", n_jobs=1)
    assert fits["level"] == 3


def test_errors_become_rows_and_talk_is_dropped(
    series: list[SeriesFiles], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = ["zscore", f"{HERE}.Fails", f"{HERE}.GivesNan", f"{HERE}.Talks"]
    result = run_benchmark(series, models, tmp_path / "out.csv", n_jobs=1)
    status = result.rows.groupby("model")["status"].agg(set).to_dict()
    assert status == {
        "zscore": {"done"},
        f"{HERE}.Fails": {"failed"},
        f"{HERE}.GivesNan": {"failed"},
        f"{HERE}.Talks": {"done"},
    }
    errors = result.rows.set_index("model")["error"]
    assert set(errors[f"{HERE}.Fails"]) == {'RuntimeError: this cannot work, "said" the detector'}
    assert errors[f"{HERE}.GivesNan"].str.contains("must be finite").all()
    assert result.figures().columns.tolist() == ["zscore", f"{HERE}.Talks"]
    assert capsys.readouterr() == ("", "")
    assert len(result.problems()) == 2


def test_a_series_that_cannot_be_read_costs_only_itself(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "data")
    (folder / "pumps" / "a" / "test.csv").write_text("s0,s1\n1,2\n")
    result = run_benchmark(find_series(folder), ["zscore"], tmp_path / "out.csv", n_jobs=1)
    assert result.rows.set_index("series")["status"].value_counts().to_dict() == {"done": 2, "failed": 1}
    good = write_folder(tmp_path / "good")
    (folder / "pumps" / "a" / "test.csv").write_bytes((good / "pumps" / "a" / "test.csv").read_bytes())
    kept = run_benchmark(find_series(folder), ["zscore"], tmp_path / "out.csv", n_jobs=1)
    assert (kept.rows["status"] == "failed").sum() == 1
    again = run_benchmark(find_series(folder), ["zscore"], tmp_path / "out.csv", n_jobs=1, retry=True)
    assert (again.rows["status"] == "done").all()


@pytest.mark.parametrize("cheat", ["StandardisedByTest", "RankedInTest", "LooksFurther"])
def test_test_statistics_are_refused(series: list[SeriesFiles], tmp_path: Path, cheat: str) -> None:
    result = run_benchmark(series, [f"{HERE}.{cheat}", "zscore"], tmp_path / "out.csv", n_jobs=1, n_checked=1)
    refused = result.rows[result.rows["status"] == "refused"]
    assert len(refused) == 1
    assert refused["error"].str.startswith("uses statistics of the rows it scores: without the rows after row 50").all()
    assert fits["level"] == 1, "a refused model must not run on the other series"
    assert result.figures().columns.tolist() == ["zscore"]
    again = run_benchmark(series, [f"{HERE}.{cheat}"], tmp_path / "out.csv", n_jobs=1, n_checked=1)
    assert fits["level"] == 1
    assert "was refused" in again.problems()[0]


@pytest.mark.parametrize("honest", ["Level", "LooksAhead", "PyodLevel", "make_forest"])
def test_honest_detectors_pass(series: list[SeriesFiles], tmp_path: Path, honest: str) -> None:
    result = run_benchmark(series, [f"{HERE}.{honest}"], tmp_path / "out.csv", n_jobs=1)
    assert (result.rows["status"] == "done").all()
    assert result.n_checked() == 3


def test_a_series_too_short_to_check_is_not_called_checked(series: list[SeriesFiles], tmp_path: Path) -> None:
    result = run_benchmark(series, ["zscore(smoothing=50)"], tmp_path / "out.csv", n_jobs=1)
    assert result.n_checked() == 0


def test_several_lags_come_from_one_fit(
    series: list[SeriesFiles], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_fits = 0
    fit = AnomalyDetector.fit

    def counted(self: AnomalyDetector, *arguments: Any, **more: Any) -> AnomalyDetector:
        nonlocal n_fits
        n_fits += 1
        return fit(self, *arguments, **more)

    run_benchmark(series[:1], [TINY], tmp_path / "warm.csv", n_jobs=1)
    monkeypatch.setattr(AnomalyDetector, "fit", counted)
    out = tmp_path / "out.csv"
    run_benchmark(series[:1], [TINY], out, n_jobs=1, lags=[4])
    result = run_benchmark(series[:1], [TINY, "zscore"], out, n_jobs=1, lags=[0, 4, "auto"])
    assert n_fits == 2
    assert result.models == (f"{TINY} at lag 0", f"{TINY} at lag 4", f"{TINY} at lag auto", "zscore")
    figures = result.figures().iloc[0]
    table = make_table(0)
    values = table[["s0", "s1"]].to_numpy()
    for lag in (0, 4, "auto"):
        own = AnomalyDetector(preset="alone", max_steps=5, window_size=8, lag=lag, random_state=0).fit(values[:N_TRAIN])
        by_hand = vus(table["label"][N_TRAIN:], -own.score_samples(values[N_TRAIN:])).pr
        assert figures[f"{TINY} at lag {lag}"] == pytest.approx(by_hand, rel=1e-6)
    flagged = result.rows.set_index("model")["flagged_normal"]
    assert flagged.notna().to_dict() == {
        f"{TINY} at lag 0": False,
        f"{TINY} at lag 4": False,
        f"{TINY} at lag auto": True,
        "zscore": False,
    }


def test_seeds_are_fits_of_what_takes_them(series: list[SeriesFiles], tmp_path: Path) -> None:
    result = run_benchmark(series[:1], ["random", f"{HERE}.Level"], tmp_path / "out.csv", n_jobs=1, seeds=[3, 4])
    assert result.rows.groupby("model")["seed"].agg(list).to_dict() == {"random": [3, 4], f"{HERE}.Level": [3]}
    assert fits["level"] == 1
    assert result.summary()["seed_spread"]["random"] > 0


def test_processes_give_the_same_numbers_and_may_die(series: list[SeriesFiles], tmp_path: Path) -> None:
    alone = run_benchmark(series, ["zscore", "random"], tmp_path / "alone.csv", n_jobs=1)
    out = tmp_path / "together.csv"
    together = run_benchmark(series, ["zscore", "random"], out, n_jobs=2)
    pd.testing.assert_frame_equal(alone.figures(), together.figures())
    with pytest.raises(TrainingError, match="a process died"):
        run_benchmark(series, ["zscore", f"{HERE}.Dies"], out, n_jobs=2)
    assert set(ResultsFile(out).read()["model"]) == {"zscore", "random"}


def test_models_are_made_before_anything_runs(series: list[SeriesFiles], tmp_path: Path) -> None:
    for model in ("nonsense", "zscore(colour=3)", "no_such_package.Detector"):
        with pytest.raises(ParameterError, match="`model`"):
            run_benchmark(series, [f"{HERE}.Level", model], tmp_path / "out.csv", n_jobs=1)
    with pytest.raises(ParameterError, match="`n_jobs`"):
        run_benchmark(series, [f"{HERE}.Level"], tmp_path / "out.csv", n_jobs=0)
    assert fits["level"] == 0
    assert not (tmp_path / "out.csv").exists()


def bench(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["bench", *map(str, arguments)])
    return done.exit_code, done.stdout, done.stderr


def test_the_command_prints_every_table(folder: Path, tmp_path: Path) -> None:
    reference = tmp_path / "reference.csv"
    reference.write_text("detector,protocol,family,series,vus_pr\npeer,P,pumps,a,.5\ncheat,T,pumps,a,.9\n")
    out = tmp_path / "out.csv"
    code, stdout, stderr = bench(
        folder, "-m", "zscore", "-m", "random", "-m", f"{HERE}.StandardisedByTest", "--jobs", 1, "--out", out,
        "--against", reference, "--families", "--leave-one-family-out", "--seeds", "0,1",
    )  # fmt: skip
    assert code == 0, stderr
    for expected in (
        "3 series",
        "VUS-PR by family",
        "chosen on the other families",
        "zscore against others",
        "oracle",
        "inductive",
    ):
        assert expected in stdout, expected
    assert "Ranks that differ by less than" in stdout
    assert "StandardisedByTest was refused" in stderr
    assert "1/12 " in stderr
    assert {f"{family}/{name}" for family, name in ResultsFile(out).read()[["family", "series"]].to_numpy()} == set(
        SERIES
    )
    again = bench(folder, "-m", "zscore", "--jobs", 1, "--out", out, "--only", "pumps/*")
    assert "2 series" in again[1]
    assert again[2] == ""


def test_the_command_takes_one_table(tmp_path: Path) -> None:
    make_table(0).to_csv(tmp_path / "plant.csv", index=False)
    arguments = (tmp_path / "plant.csv", "-m", TINY, "-m", "zscore", "--jobs", 1, "-o", tmp_path / "out.csv")
    code, stdout, _ = bench(*arguments, "--train-rows", "60%", "--lags", "0,auto")
    assert code == 0
    assert "1 series" in stdout
    assert "at lag auto" in stdout
    assert ResultsFile(tmp_path / "out.csv").read()["n_train"].tolist() == [180, 180, 180]


@pytest.mark.parametrize(
    "arguments",
    [("--train-rows", "many"), ("--train-rows", "60%", "--seeds", "a"), ("--train-rows", "60%", "--lags", "soon"), ()],
)
def test_the_command_explains_wrong_options(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    make_table(0).to_csv(tmp_path / "plant.csv", index=False)
    code, _, stderr = bench(tmp_path / "plant.csv", "-m", "zscore", "--jobs", 1, "-o", tmp_path / "out.csv", *arguments)
    assert code == 2
    assert stderr.startswith("error: `")


def test_the_command_fails_where_everything_failed(folder: Path, tmp_path: Path) -> None:
    code, stdout, stderr = bench(folder, "-m", f"{HERE}.Fails", "--jobs", 1, "-o", tmp_path / "out.csv")
    assert (code, stdout) == (3, "")
    assert "Fails failed on 3 series" in stderr
    assert "error: there is nothing to compare" in stderr


def test_the_figures_of_a_series_without_anomalies_are_empty(tmp_path: Path) -> None:
    table = make_table(0)
    table["label"] = 0
    table.to_csv(tmp_path / "plant.csv", index=False)
    result = run_benchmark(
        find_series(tmp_path / "plant.csv", train_rows=0.5), ["zscore"], tmp_path / "out.csv", n_jobs=1
    )
    (row,) = result.rows.to_dict("records")
    assert row["status"] == "done"
    assert np.isnan(row["vus_pr"])
    assert result.figures().empty
    assert result.summary().empty


def test_an_output_that_cannot_be_is_found_before_anything_is_fitted(folder: Path, tmp_path: Path) -> None:
    code, _, stderr = bench(folder, "-o", tmp_path / "nowhere" / "out.csv")
    assert code == 5
    assert "cannot write" in stderr
    labelled = tmp_path / "labelled.csv"
    labelled.write_text("a,label\n1,0\n")
    code, _, stderr = bench(labelled, "-o", labelled, "--train-rows", "1")
    assert code == 2
    assert "is also an input" in stderr
    assert labelled.read_text() == "a,label\n1,0\n"
