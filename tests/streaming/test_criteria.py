"""A stream gives the scores of the file, by whatever criterion windows are scored and however few rows there are."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from tests.detection.kinds import LINES
from tests.detection.plants import COMPOSITIONS, Composition, readings, today
from tests.detection.plants import fitted as fitted_composition
from tests.streaming.reference import scores_of
from tsae import AnomalyDetector, StreamScorer

CLOSE = {"rtol": 1e-3, "atol": 1e-3}
CRITERIA = ["learned variance", "variational", "variational probability", "masked points", "masked channels"]
"""Kinds whose errors are a likelihood, an evidence lower bound, or those of hidden entries."""


@cache
def fitted(name: str) -> AnomalyDetector:
    (line,) = [line for line in LINES if line.name == name]
    return AnomalyDetector(window_size=9, **line.parameters("series")).fit(readings(150, "aas"))


def rows_of(n_rows: int) -> np.ndarray:
    table = readings(150 + n_rows, "aas", seed=1)[150:]
    table[20:24, 0] += 5
    table[10:13, 1] = np.nan
    return table


def test_the_kinds_have_other_criteria() -> None:
    criteria = {member.model.criterion.kind for name in CRITERIA for member in fitted(name).model_.ensemble.members}
    assert criteria == {"probability", "elbo", "masked"}


@pytest.mark.parametrize("name", CRITERIA)
def test_row_by_row_equals_blocks_equals_the_file(name: str) -> None:
    detector, values = fitted(name), rows_of(45)
    one_by_one, blocks = StreamScorer(detector), StreamScorer(detector)
    answers = [one_by_one.update(row) for row in values]
    in_blocks = [blocks.update_many(part) for part in np.split(values, [1, 7, 30])]
    answers.append(one_by_one.flush())
    in_blocks.append(blocks.flush())
    expected = -detector.score_samples(values)
    for found in (answers, in_blocks):
        np.testing.assert_allclose(scores_of([row for answer in found for row in answer.settled]), expected, **CLOSE)
    now, now_in_blocks = ([row for answer in found for row in answer.immediate] for found in (answers, in_blocks))
    np.testing.assert_allclose(scores_of(now), scores_of(now_in_blocks), **CLOSE)
    errors = np.array([row.errors for answer in answers for row in answer.settled])
    np.testing.assert_allclose(errors, detector.errors(values), rtol=1e-2, atol=1e-3)
    assert np.ptp(expected) > 1


@pytest.mark.parametrize("n_rows", [1, 2, 7, 23])
@pytest.mark.parametrize("composition", [COMPOSITIONS[number] for number in (3, 11, 15)], ids=str)
def test_a_file_shorter_than_a_window_is_scored_as_a_stream_of_its_rows(composition: Composition, n_rows: int) -> None:
    """Members of 8 and 24 rows: rows before the first full window are judged in the window that they begin."""
    detector, values = fitted_composition(composition), today(composition, 60)[10 : 10 + n_rows]
    scorer = StreamScorer(detector)
    settled = [row for values_ in values for row in scorer.update(values_).settled]
    settled += scorer.flush().settled
    expected = -detector.score_samples(values)
    np.testing.assert_allclose(scores_of(settled), expected, **CLOSE)
    assert np.isfinite(expected).all()
    errors = np.array([row.errors for row in settled])
    np.testing.assert_allclose(errors, detector.errors(values), rtol=1e-2, atol=1e-3)
    labels = detector.detect(values).labels
    np.testing.assert_array_equal([row.label for row in settled], labels)
