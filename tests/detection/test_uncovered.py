"""Rows that no full window covers have scores, and are never flagged: in short tables, beside gaps, in streams."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.streaming.reference import plant
from tsae import AnomalyDetector, StreamScorer


@pytest.fixture(scope="module")
def detector() -> AnomalyDetector:
    return AnomalyDetector(window_size=[8, 16], max_steps=30, random_state=0).fit(plant(500))


@pytest.mark.parametrize("n_rows", [1, 2, 7, 15])
def test_a_table_shorter_than_a_window_is_scored_and_never_flagged(detector: AnomalyDetector, n_rows: int) -> None:
    wild = plant(n_rows, seed=9) * 50
    found = detector.detect(wild)
    assert np.isfinite(found.scores).all()
    assert (found.scores > detector.threshold_).all()
    assert not found.labels.any()
    assert not found.events
    assert found.n_uncovered == n_rows
    assert (detector.predict(wild) == 1).all()
    assert not any(row.label for row in StreamScorer(detector).update_many(wild.to_numpy(), wild.index).settled)


def test_only_segments_with_a_full_window_alarm(detector: AnomalyDetector) -> None:
    frame = plant(300, seed=4)
    frame.iloc[200:, :] *= 40
    parts = [frame[:200], frame[220:230], frame[250:290]]  # the second is too short
    table = pd.concat(parts)
    found = detector.detect(table, adapt=False)
    assert found.n_uncovered == 10
    assert not found.labels[200:210].any()
    assert found.labels[210:].all()
    assert (detector.predict(table) == -1)[210:].all()
    assert not (detector.predict(table) == -1)[200:210].any()
    scorer = StreamScorer(detector, adapt=False)
    answers = [scorer.update_many(table.to_numpy(), table.index), scorer.flush()]
    assert [row.label for answer in answers for row in answer.settled] == found.labels.tolist()


def test_the_state_at_the_end_is_said(detector: AnomalyDetector) -> None:
    frame = plant(400, seed=4)
    assert detector.detect(frame).state == ("quiet", None)
    frame.iloc[390:] *= 40
    name, since = detector.detect(frame).state
    assert name == "alarm"
    assert since >= frame.index[370]
    frame.iloc[250:] = plant(400, seed=4).iloc[250:] * 40
    assert detector.detect(frame).state[0] == "changed"
