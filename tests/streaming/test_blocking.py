"""Rows that never alarm, because they are excluded or the plant is off: the same in a file and in a stream."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from tests.streaming.reference import plant, troubled
from tsae import AnomalyDetector, DataError, Detection, Exclusions, FittedModel, ParameterError, StreamScorer
from tsae.series.exclusions import Exclusion
from tsae.streaming.scorer import StreamScores
from tsae.streaming.state import restore_scorer, scorer_state

INTERVAL = Exclusions((Exclusion(pd.Timestamp("2026-11-24 11:00"), pd.Timestamp("2026-11-24 11:03")),))
EXCLUSIONS = {
    "none": None,
    "an interval": INTERVAL,
    "recurring": Exclusions.recurring("daily 10:50-11:02", "Tue 16:05-16:25"),
    "both": INTERVAL | Exclusions.recurring("Mon-Fri 13:00-13:40"),
}


@pytest.fixture(scope="module")
def detector() -> AnomalyDetector:
    """Fitted on a plant that is off for some rows, in which its pressure is far away."""
    frame = plant(500)
    frame.iloc[100:140, :] = [0.0, 9.0, 0.0]
    fitted = AnomalyDetector(window_size=[8, 16], max_steps=30, random_state=0).fit(frame, running="flow > 1")
    return fitted.set_threshold("quantile", false_alarm_rate="1 per 300 rows")


def rows() -> pd.DataFrame:
    """Faults, gaps, and a plant that is off twice, the second time beside a short gap."""
    frame = troubled(420)
    frame.iloc[230:260, :] = [0.0, 9.0, 0.0]
    frame.iloc[330:340, :] = [0.0, 9.0, 0.0]
    frame.iloc[300:310, 1] += 2
    frame.iloc[372:385, 0] -= 2
    return frame.drop(frame.index[[328, 329, 340]])


def streamed(scorer: StreamScorer, frame: pd.DataFrame, n_at_once: int, *, restart: bool = False) -> list[StreamScores]:
    answers = []
    for start in range(0, len(frame), n_at_once):
        if restart:
            again = StreamScorer(scorer.model, rules=scorer.rules, reorder=scorer.reorder, exclude=scorer.exclude)
            arrays, facts = scorer_state(scorer)
            restore_scorer(again, arrays, json.loads(json.dumps(facts)))
            scorer = again
        part = frame.iloc[start : start + n_at_once]
        if n_at_once == 1:
            answers.append(scorer.update(part.to_numpy()[0], part.index[0]))
        else:
            answers.append(scorer.update_many(part.to_numpy(), part.index))
    return [*answers, scorer.flush()]


def assert_same(found: Detection, answers: list[StreamScores]) -> None:
    settled = sorted((row for answer in answers for row in answer.settled), key=lambda row: row.row)
    assert [row.label for row in settled] == found.labels.tolist()
    np.testing.assert_allclose([row.score for row in settled], found.scores, rtol=2e-3, atol=1e-3)
    np.testing.assert_allclose([row.threshold for row in settled], found.thresholds, rtol=2e-3, atol=1e-3)
    closed = [change.event for answer in answers for change in answer.events if change.state == "closed"]
    assert sorted(event.event_id for event in closed) == sorted(event.event_id for event in found.events)


@pytest.mark.parametrize("name", EXCLUSIONS)
@pytest.mark.parametrize(("n_at_once", "restart", "reorder"), [(1, False, 0), (31, True, 0), (200, False, 3)])
def test_a_stream_blocks_the_rows_of_the_file(
    detector: AnomalyDetector, name: str, n_at_once: int, restart: bool, reorder: int
) -> None:
    frame, exclude = rows(), EXCLUSIONS[name]
    found = detector.detect(frame, excluded=exclude)
    scorer = StreamScorer(detector, exclude=exclude, reorder=reorder)
    answers = streamed(scorer, frame, n_at_once, restart=restart)
    assert_same(found, answers)
    blocked = np.zeros(len(frame), bool) if exclude is None else exclude.mask(frame.index)
    blocked |= ~(frame["flow"] > 1).to_numpy()
    immediate = [row for answer in answers for row in answer.immediate]
    assert len(immediate) == len(frame)
    assert not any(row.label for row, is_blocked in zip(immediate, blocked, strict=True) if is_blocked)
    assert found.events
    assert not found.labels[blocked].any()
    if not restart:
        assert scorer.counts.n_blocked == blocked.sum()


def test_entities_are_off_each_on_its_own(detector: AnomalyDetector) -> None:
    frames = {"north": rows(), "south": plant(420, seed=5)}
    frames["south"].iloc[40:60, :] = [0.0, 9.0, 0.0]
    both = pd.concat([frame.assign(name=name) for name, frame in frames.items()]).sort_index(kind="stable")
    scorer = StreamScorer(detector)
    answers = [
        scorer.update_many(both.drop(columns="name").to_numpy(), both.index, both["name"].tolist()),
        scorer.flush(),
    ]
    for name, frame in frames.items():
        own = [
            StreamScores(
                settled=[row for row in answer.settled if row.entity == name],
                events=[change for change in answer.events if change.event.entity == name],
            )
            for answer in answers
        ]
        assert_same(detector.detect(frame, entity=name), own)


def test_rows_without_times_are_blocked_too(detector: AnomalyDetector) -> None:
    values = rows().to_numpy()
    detector = AnomalyDetector(window_size=8, max_steps=20, random_state=0).fit(values, running="x0 > 1")
    scorer = StreamScorer(detector)
    answers = [scorer.update_many(values[:200]), *map(scorer.update, values[200:]), scorer.flush()]
    assert_same(detector.detect(values), answers)
    assert detector.detect(values).n_off == (values[:, 0] <= 1).sum() + np.isnan(values[:, 0]).sum()


def test_rows_with_the_plant_off_do_not_train(detector: AnomalyDetector) -> None:
    """What the sensors show while the plant is off changes nothing but the score of those rows."""
    frame = rows()
    other = frame.copy()
    other.loc[frame["flow"] < 1, "pressure"] = -50
    one, two = (
        AnomalyDetector(window_size=8, max_steps=20, random_state=0).fit(each, running="flow > 1")
        for each in (frame, other)
    )
    runs = (frame["flow"] > 1).to_numpy()
    np.testing.assert_allclose(one.score_samples(frame)[runs], two.score_samples(frame)[runs])
    assert (detector.predict(frame)[~runs] == 1).all()


def test_a_model_file_keeps_the_condition(detector: AnomalyDetector, tmp_path: object) -> None:
    import tsae

    path = f"{tmp_path}/plant.tsae"
    detector.save(path)
    assert tsae.load(path).model_.running == FittedModel.load(path).running == "flow > 1"
    assert tsae.load(path).detect(rows()).n_off == detector.detect(rows()).n_off > 0


@pytest.mark.parametrize(
    ("running", "message"),
    [
        ("flow", r"`running` \(='flow'\) must compare a sensor with a number"),
        ("flow > 1 and", "join several comparisons by 'and'"),
        ("speed > 1", "names 'speed', which is not a channel; choose one of flow, pressure, running"),
    ],
)
def test_a_condition_that_cannot_be_used_is_refused(running: str, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        AnomalyDetector(max_steps=1).fit(plant(100), running=running)


def test_exclusions_that_do_not_fit_the_times_are_refused_before_a_row_is_taken(detector: AnomalyDetector) -> None:
    scorer = StreamScorer(detector, exclude=Exclusions.recurring("daily 00:00-01:00"))
    with pytest.raises(DataError, match="needs rows with times"):
        scorer.update([10, 3, 1])
    with pytest.raises(DataError, match="must state a time zone"):
        scorer.update([10, 3, 1], "2026-11-24T10:00Z")
    assert not scorer.entities
    scorer.update([10, 3, 1], "2026-11-24T10:00")
