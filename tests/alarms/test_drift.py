from __future__ import annotations

import copy
import json
import re
from dataclasses import replace
from importlib.resources import files

import jsonschema
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.alarms.reference_drift import drift_between
from tests.streaming.reference import CHANNELS, plant
from tsae import AnomalyDetector, StreamScorer, load
from tsae.alarms.drift import Comparison, DistributionWatch, Drift, fit_reference
from tsae.alarms.thresholds import RecentThreshold, Target
from tsae.errors import DataError
from tsae.scoring.rings import Rings
from tsae.streaming.records import drift_records
from tsae.streaming.state import restore_scorer, scorer_state

EXPONENTIAL = np.random.default_rng(0).exponential(size=4000)


def slow_gap(training: np.ndarray, latest: np.ndarray, knots: np.ndarray) -> float:
    a, b = training[~np.isnan(training)].tolist(), latest[~np.isnan(latest)].tolist()
    if not a or not b:
        return 0.0
    return max(abs(sum(x <= knot for x in a) / len(a) - sum(x <= knot for x in b) / len(b)) for knot in knots)


def table(n_rows: int, seed: int) -> np.ndarray:
    """Three columns with ties and missing values, a constant and one that is never there."""
    rng = np.random.default_rng(seed)
    rows = np.column_stack([rng.normal(size=n_rows), rng.integers(0, 3, n_rows), np.cumsum(rng.normal(size=n_rows))])
    rows[rng.random(rows.shape) < 0.1] = np.nan
    return np.column_stack([rows, np.full(n_rows, 4.0), np.full(n_rows, np.nan)])


@given(n_rows=st.integers(1, 2600), seed=st.integers(0, 5), data=st.data())
def test_what_a_watch_compares_equals_a_look_at_all_rows_however_they_come(n_rows, seed, data):
    training, later = table(300, seed), table(n_rows, seed + 10) * 1.2
    reference = fit_reference([training])
    watch = DistributionWatch(reference)
    cuts = sorted(data.draw(st.lists(st.integers(0, n_rows), max_size=4)))
    for start, stop in zip([0, *cuts], [*cuts, n_rows], strict=True):
        if stop - start < 100:
            for row in later[start:stop]:
                watch.push_rows(0, row)
        else:
            watch.push(later[start:stop])
        if data.draw(st.booleans()):
            again = DistributionWatch(reference)
            again.arrays.restore(watch.arrays.state())
            watch = again
    seen = Comparison(*(part[0] for part in watch.compared()))
    latest = later[max(0, (n_rows - 1) // 500 - 3) * 500 :]
    assert seen.n_rows == len(latest)
    np.testing.assert_allclose(seen.missing, np.isnan(latest).mean(axis=0))
    for column in range(5):
        values, known = latest[:, column], training[:, column][~np.isnan(training[:, column])]
        assert seen.gap[column] == pytest.approx(slow_gap(known, values, reference.knots[:, column]))
        values = values[~np.isnan(values)]
        if not len(values) or not len(known):
            continue
        margin = 0.1 * np.ptp(known) or 0.2
        assert seen.below[column] == pytest.approx((values <= known.min() - margin).mean())
        assert seen.above[column] == pytest.approx((values > known.max() + margin).mean())
        assert seen.shift[column] == pytest.approx((values.mean() - known.mean()) / (known.std() or margin))


def test_lanes_side_by_side_are_what_each_is_alone():
    reference, later = fit_reference([table(300, 0)]), np.stack([table(700, seed) for seed in range(4)])
    arrays = Rings()
    together = DistributionWatch(reference, arrays=arrays, name="inputs.")
    lanes = np.array([arrays.open() for _ in later])
    rng, rows = np.random.default_rng(0), np.zeros(4, dtype=int)
    while (rows < 700).any():  # some lanes are ahead of others
        now = rng.permutation(lanes[(rows < 700) & (rng.random(4) < 0.9)])
        if rows.sum() % 90 == 0:
            together.compared(now)
        together.push_rows(now, later[now, rows[now]])
        rows[now] += 1
    seen = together.compared(lanes)
    for lane, values in enumerate(later):
        alone = DistributionWatch(reference)
        alone.push(values)
        for part, expected in zip(seen, alone.compared(), strict=True):
            np.testing.assert_allclose(part[lane], expected[0], rtol=1e-9)


def test_the_usual_gap_is_the_largest_of_stretches_of_training():
    training = table(1003, 0)
    reference = fit_reference([training[:600], training[600:]])
    assert reference.stretch == 250
    stretches = [training[start : start + 250] for start in (0, 250, 600)]
    for column in range(3):
        known, knots = training[:, column], reference.knots[:, column]
        largest = max(slow_gap(known, each[:, column], knots) for each in stretches)
        assert reference.usual[column] == pytest.approx(largest)


def drift(scores: np.ndarray, **facts) -> Drift:
    return drift_between(scores, EXPONENTIAL[:1000], **{"first": 4.0, "last": 4.0, **facts})


def test_drifted_scores_tell_to_retrain_and_why():
    recent = RecentThreshold(EXPONENTIAL[:1000], Target(0.01), 16)
    later = EXPONENTIAL[1000:4000] + 4
    recent.thresholds(later)
    found = drift(later, first=recent.first, last=recent.values(np.zeros(1, dtype=int))[0])
    assert found.moved > 1
    assert found.verdict.startswith("retrain: in the last 2,000 rows scores are distributed unlike those of normal")
    assert "the threshold has moved from" in found.verdict
    assert drift(EXPONENTIAL[1000:4000]).verdict == ""
    assert drift(later[:50]).verdict == ""
    assert drift(EXPONENTIAL[:0]).verdict == ""


def moved(change: str) -> str:
    rng = np.random.default_rng(0)
    training, later = rng.normal(size=(4000, 3)), rng.normal(size=(2500, 3))
    if change == "above":
        later[500:, 1] += 8
    elif change == "below":
        later[1500:, 1] -= 8
    elif change == "missing":
        later[:, 1] = np.where(rng.random(2500) < 0.7, np.nan, later[:, 1])
    elif change == "narrow":
        later[:, 1] = 1.5 + 0.1 * later[:, 1]
    elif change == "little":
        later[:, 1] += 0.3
    elif change == "short":
        later = later[:150] + 8
    elif change == "all":
        later += 8
    calm = np.resize(EXPONENTIAL[:1000], len(later))
    return drift(calm, values=later, inputs=fit_reference([training]), channels=["a", "b", "c"]).verdict


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("above", "retrain: in the last 2,000 rows b lies above the range of training in 100% of the rows"),
        ("below", "retrain: in the last 2,000 rows b lies below the range of training in 50% of the rows"),
        ("missing", "retrain: in the last 2,000 rows b is missing in 7.% more of the rows than in training"),
        (
            "narrow",
            r"b is distributed unlike training \(largest gap .* of 1, .*; its mean has moved by \+1.5 deviations",
        ),
        ("all", "[abc] lies above .*; [abc] lies above .*; [abc] lies above"),
        ("little", "^$"),
        ("short", "^$"),
        ("nothing", "^$"),
    ],
)
def test_the_reason_names_the_sensor_and_what_has_moved(change, reason):
    verdict = moved(change)
    assert re.search(reason, verdict), verdict


def test_slow_cycles_of_training_are_no_drift():
    """A stretch that holds a part of a cycle is unlike the whole, but so is every stretch of training."""
    waves = np.sin(np.arange(60_000) / 3000)[:, None] + 0.1 * np.random.default_rng(0).normal(size=(60_000, 1))
    reference = fit_reference([waves[:40_000]])
    for stop in range(42_000, 60_000, 1700):
        found = drift(EXPONENTIAL, values=waves[40_000:stop], inputs=reference, channels=["a"])
        assert found.verdict == ""


@pytest.fixture(scope="module")
def detector() -> AnomalyDetector:
    return AnomalyDetector(window_size=8, preset="alone", max_steps=20, random_state=0).fit(plant(800))


def drifting() -> pd.DataFrame:
    frame = plant(1300, seed=4)
    frame.iloc[600:, 1] += 1.5
    frame.iloc[10] = np.nan
    return frame.drop(frame.index[[50, 51, *range(900, 930)]])


def test_a_stream_tells_of_drift_as_the_file_does_and_once(detector, tmp_path):
    frame = drifting()
    expected = detector.detect(frame).drift
    assert [each.sensor for each in expected.sensors] == ["pressure"]
    assert "pressure lies above the range of training" in expected.verdict
    detector.save(tmp_path / "m.tsae")
    assert load(tmp_path / "m.tsae").detect(frame).drift.verdict == expected.verdict
    scorer, notices = StreamScorer(detector), []
    for start in range(0, len(frame), 100):
        again = StreamScorer(detector)
        restore_scorer(again, *scorer_state(scorer))
        scorer = again
        part = frame.iloc[start : start + 100]
        notices += scorer.update_many(part.to_numpy(), part.index, ["m"] * len(part)).drifts
    notices += scorer.flush().drifts
    found = scorer.drift("m")
    assert found.verdict == expected.verdict
    np.testing.assert_allclose(
        [found.distance, found.last_threshold], [expected.distance, expected.last_threshold], rtol=1e-3
    )
    assert [(notice.row, notice.entity) for notice in notices] == [(999, "m")]
    (record,) = drift_records(notices)
    schema = files("tsae.streaming").joinpath("records.schema.json").read_text("utf-8")
    jsonschema.validate(record, json.loads(schema))
    assert (record["kind"], record["id"], record["sensors"][0]["sensor"]) == ("drift", "m/drift-999", "pressure")
    with pytest.raises(DataError, match=r"no rows received yet for entity 'other'; choose one of \['m'\]"):
        scorer.drift("other")


def test_excluded_rows_do_not_drift(detector):
    frame = drifting()
    excluded = np.arange(len(frame)) >= 590
    assert detector.detect(frame, excluded=excluded).drift.sensors == ()
    changed = copy.copy(detector)
    changed.model_ = replace(detector.model_, inputs=fit_reference([drifting().to_numpy()]))
    assert changed.detect(frame[CHANNELS]).drift.sensors == ()
