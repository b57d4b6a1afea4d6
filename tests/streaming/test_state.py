from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.streaming.reference import plant, troubled
from tsae import AnomalyDetector, StreamScorer
from tsae.errors import DataError
from tsae.model.fitted import FittedModel
from tsae.streaming.records import event_records, row_records
from tsae.streaming.row_scores import StreamScores
from tsae.streaming.state import read_state, write_state


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> FittedModel:
    path = tmp_path_factory.mktemp("model") / "m.tsae"
    AnomalyDetector(window_size=[8, 16], max_steps=30, threshold=5.0, random_state=0).fit(plant(500)).save(path)
    return FittedModel.load(path)


def told(scorer: StreamScorer, answers: list[StreamScores]) -> list[dict[str, object]]:
    out = []
    for answer in answers:
        out += row_records(answer, scorer.channels) + event_records(answer.events)
    return out


@pytest.mark.parametrize("reorder", [0, 4])
def test_a_restart_goes_on_as_if_nothing_had_happened(model: FittedModel, tmp_path: Path, reorder: int) -> None:
    frames = {name: troubled(190, seed=number) for number, name in enumerate("abc")}
    rows = sorted((time, name) for name, frame in frames.items() for time in frame.index)
    times, names = zip(*rows, strict=True)
    values = np.stack([frames[name].loc[time].to_numpy() for time, name in rows])
    whole = StreamScorer(model, reorder=reorder)
    part = StreamScorer(model, reorder=reorder)
    expected, found = [], []
    for start in range(0, len(rows), 23):
        block = slice(start, start + 23)
        expected += told(whole, [whole.update_many(values[block], times[block], names[block])])
        found += told(part, [part.update_many(values[block], times[block], names[block])])
        write_state(tmp_path / "state", part, {"n": start})
        part = StreamScorer(model, reorder=reorder)
        assert read_state(tmp_path / "state", part) == {"n": start}
    expected += told(whole, [whole.flush()])
    found += told(part, [part.flush()])
    assert any(record["kind"] == "event" for record in expected)
    assert found == expected
    assert part.counts == whole.counts


def test_a_state_of_another_model_or_a_torn_one_is_refused(model: FittedModel, tmp_path: Path) -> None:
    scorer = StreamScorer(model)
    assert read_state(tmp_path / "state", scorer) is None
    scorer.update([1.0, 2.0, 0.0])
    write_state(tmp_path / "state", scorer, {})
    with pytest.raises(DataError, match="the state belongs to another model, or to another lag"):
        read_state(tmp_path / "state", StreamScorer(model, lag=2))
    data = (tmp_path / "state").read_bytes()
    (tmp_path / "state").write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match=r"cannot be used: it is damaged.*, or delete it to begin afresh"):
        read_state(tmp_path / "state", StreamScorer(model))
