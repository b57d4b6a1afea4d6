"""Annotations given to `fit` and `recalibrate`: which rows they leave out, keep, and label."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.detection.plants import readings
from tsae import Annotation, Annotations, AnomalyDetector, DataError, ParameterError
from tsae.detection.labels.annotated import annotated_rows

SETTINGS = {"window_size": 8, "preset": "alone", "max_steps": 20, "random_state": 0}
ROWS = pd.RangeIndex(12)
_WORDS: list[int] = []


def word(kind: str, start: Any, stop: Any, entity: str = "") -> Annotation:
    """Say something, later than everything that was said before."""
    _WORDS.append(1)
    at = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=len(_WORDS))
    return Annotation(kind, start, stop, entity=entity, at=at)  # type: ignore[arg-type]


def last_words_one_by_one(words: list[Annotation], index: pd.Index, entity: str) -> list[str]:
    """The slow twin: for each row, listen to everybody."""
    last = []
    for row in index:
        kind = ""
        for each in words:
            if each.entity in ("", entity) and each.start <= row <= each.stop:
                is_kept = each.kind == "false alarm" and kind in ("maintenance", "ignore")
                kind = kind if is_kept else each.kind
        last.append(kind)
    return last


def test_the_last_word_on_a_row_counts() -> None:
    rng = np.random.default_rng(0)
    kinds = ["real", "false alarm", "new normal", "maintenance", "ignore"]
    for _ in range(50):
        words = [
            word(str(rng.choice(kinds)), start, start + int(rng.integers(6)), str(rng.choice(["", "a", "b"])))
            for start in rng.integers(-3, 14, size=6).tolist()
        ]
        found = annotated_rows(words, [ROWS, ROWS], ["a", "b"])
        for codes, entity in zip(found.codes, ("a", "b"), strict=True):
            said = ["" if not code else kinds[code - 1] for code in codes]
            assert said == last_words_one_by_one(words, ROWS, entity)


def test_rows_are_counted_and_unmatched_annotations_are_kept() -> None:
    words = [word("maintenance", 2, 8), word("new normal", 3, 4), word("real", 20, 30), word("ignore", 0, 1, "b")]
    found = annotated_rows(words, [ROWS], ["a"])
    assert found.excluded[0].tolist() == [row in (2, 5, 6, 7, 8) for row in range(12)]
    assert np.flatnonzero(found.labels[0] == 0).tolist() == [3, 4]
    assert (found.counts("maintenance"), found.counts("new normal"), found.counts("real")) == ((5, 1), (2, 1), (0, 0))
    assert found.n_returned == 2
    assert found.unmatched == (words[2], words[3])


@pytest.mark.parametrize(
    ("index", "start", "message"),
    [
        (ROWS, "2026-03-01", "speaks of times, but the table has row numbers"),
        (pd.date_range("2026-03-01", periods=3), 1, "speaks of row numbers, but the table has times"),
        (pd.date_range("2026-03-01", periods=3), "2026-03-01T00:00Z", "carries a time zone, but the table has none"),
        (pd.date_range("2026-03-01", periods=3, tz="UTC"), "2026-03-01", "carries no time zone, but the table has one"),
        (pd.Index(["a", "b"]), 1, "but the table has row numbers"),
    ],
)
def test_times_and_rows_are_not_mixed(index: pd.Index, start: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        annotated_rows([word("real", start, start)], [index], [""])


def table(seed: int = 0) -> pd.DataFrame:
    return pd.DataFrame(readings(300, "aa", seed=seed), index=pd.date_range("2026-03-01", periods=300, freq="min"))


def times(first: int, last: int) -> tuple[pd.Timestamp, pd.Timestamp]:
    index = table().index
    return index[first], index[last]


@pytest.mark.parametrize("as_path", [False, True])
def test_fit_leaves_out_what_an_exclusion_would(tmp_path: Path, as_path: bool) -> None:
    rows = table().rename(columns=str)
    rows.iloc[50:80] += 30
    notes = Annotations(tmp_path / "notes.db")
    notes.add(word("maintenance", *times(50, 120)), word("new normal", *times(80, 120)), word("real", *times(60, 70)))
    excluded = np.zeros(300, dtype=bool)
    excluded[50:80] = True
    expected = AnomalyDetector(**SETTINGS).fit(rows, excluded=excluded)
    fitted = AnomalyDetector(**SETTINGS).fit(rows, annotations=str(notes.path) if as_path else notes)
    np.testing.assert_array_equal(fitted.score_samples(rows), expected.score_samples(rows))
    assert fitted.learned_threshold_ == expected.learned_threshold_


def test_annotations_of_entities_find_their_tables(tmp_path: Path) -> None:
    rows = [table(0).rename(columns=str), table(1).rename(columns=str)]
    notes = Annotations(tmp_path / "notes.csv")
    notes.add(word("ignore", *times(10, 40), "b"))
    masks = [np.zeros(300, dtype=bool), np.arange(300) // 31 == 0]
    masks[1] = (np.arange(300) >= 10) & (np.arange(300) <= 40)
    expected = AnomalyDetector(**SETTINGS).fit(rows, excluded=masks)
    fitted = AnomalyDetector(**SETTINGS).fit(rows, annotations=notes, entity=["a", "b"])
    np.testing.assert_array_equal(fitted.score_samples(rows), expected.score_samples(rows))
    with pytest.warns(
        UserWarning, match=r"annotation '\w+' \(ignore of entity 'b', .*\) matches no row of the tables of"
    ):
        AnomalyDetector(**SETTINGS).fit(rows, annotations=notes)
    with pytest.raises(ParameterError, match="`entity` must be a list of 2 names"):
        AnomalyDetector(**SETTINGS).fit(rows, annotations=notes, entity="b")


def test_many_that_match_nothing_are_one_warning(tmp_path: Path) -> None:
    notes = Annotations(tmp_path / "notes.db")
    notes.add(*(word("real", 1000 + number, 2000) for number in range(8)))
    with pytest.warns(UserWarning, match="8 annotations, such as .* match no row of the table$") as said:
        AnomalyDetector(**SETTINGS).fit(readings(300, "aa", seed=0), annotations=notes)
    assert len(said) == 1


def test_recalibrate_takes_real_rows_as_labels_if_a_learner_needs_them(tmp_path: Path) -> None:
    rows = readings(300, "aa", seed=0)
    later = readings(300, "aa", seed=1)
    later[100:110, 0] += 1
    later[200:220, 0] += 5
    labels, excluded = np.zeros(300), np.arange(300) // 20 == 10
    labels[100:110] = 1
    notes = Annotations(tmp_path / "notes.db")
    notes.add(word("real", 100, 109), word("maintenance", 200, 219))
    detector = AnomalyDetector(**SETTINGS).fit(rows)
    by_rows = detector.recalibrate(later, annotations=labels, excluded=excluded).learned_threshold_
    assert by_rows.method == "labels"
    assert detector.recalibrate(later, annotations=notes, threshold="label_beta").learned_threshold_ == by_rows
    assert detector.recalibrate(later, annotations=notes).learned_threshold_ == by_rows  # stays unless one is stated
    assert detector.recalibrate(later, annotations=notes, threshold="pot").learned_threshold_.method == "pot"


def test_real_rows_train_a_label_classifier(tmp_path: Path) -> None:
    rows, labels = readings(300, "aa", seed=0), np.full(300, np.nan)
    rows[100:110, 0] += 1
    labels[100:110], labels[200:210] = 1, 0
    notes = Annotations(tmp_path / "notes.db")
    notes.add(word("real", 100, 109), word("false alarm", 200, 209))
    settings = SETTINGS | {"label_classifier": True}
    expected = AnomalyDetector(**settings).fit(rows, annotations=labels)
    fitted = AnomalyDetector(**settings).fit(rows, annotations=notes)
    np.testing.assert_array_equal(fitted.score_samples(rows), expected.score_samples(rows))


def test_a_robust_fit_keeps_the_new_normal(tmp_path: Path) -> None:
    rows = readings(600, "aa", seed=0)
    rows[300:330, 0] += 4
    rows[420:440, 0] += 4
    notes = Annotations(tmp_path / "notes.db")
    notes.add(word("new normal", 290, 340))
    settings = SETTINGS | {"robust": True}

    def rejected(detector: AnomalyDetector) -> set[int]:
        return {row for first, last in detector.rejected_[0] for row in range(first, last + 1)}

    assert {310, 430} <= rejected(AnomalyDetector(**settings).fit(rows))
    kept = rejected(AnomalyDetector(**settings).fit(rows, annotations=notes))
    assert 430 in kept
    assert not kept & set(range(290, 341))
