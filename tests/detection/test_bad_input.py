"""What cannot be used is refused by name, value, rule and way out; what only looks bad is used."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.detection.plants import readings
from tsae import AnomalyDetector
from tsae.detection.parameters.groups import in_groups
from tsae.errors import DataError, ParameterError

N_ROWS = 200
INDEX = pd.date_range("2026-03-01", periods=N_ROWS, freq="min")


def table(n_rows: int = N_ROWS) -> pd.DataFrame:
    return pd.DataFrame(readings(n_rows, "aa"), columns=["flow", "pressure"], index=INDEX[:n_rows])


def quick(**parameters: Any) -> AnomalyDetector:
    return AnomalyDetector(**in_groups({"window_size": 8, "max_steps": 5, "random_state": 0}, parameters))


@pytest.fixture(scope="module")
def detector() -> AnomalyDetector:
    return quick().fit(table())


def refusals(detector: AnomalyDetector, bad: Any) -> list[str]:
    """What `fit` and scoring say."""
    messages = []
    for use in (quick().fit, detector.score_samples, detector.detect):
        with pytest.raises(DataError) as caught:
            use(bad)
        messages.append(str(caught.value))
    return messages


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1.7e308])
def test_infinity_is_refused_by_row_column_and_value(detector, value):
    bad = table()
    bad.iloc[17, 1] = value
    for message in refusals(detector, bad):
        assert f"row 17 (index 2026-03-01 00:17:00), column 'pressure', value {value}" in message
        assert message.startswith("X contains infinity, or a value too large to square: ")
        assert message.endswith("; replace it with what was measured, or with NaN if nothing was")
    with pytest.raises(DataError, match=r"row 17 \(index 17\), column 1, value"):
        quick().fit(bad.to_numpy())


def test_text_in_a_number_column_is_refused_by_row_column_and_value(detector):
    bad = table().astype(object)
    bad.iloc[17, 0] = "n/a"
    for message in refusals(detector, bad):
        assert message == (
            "column 'flow' holds 'n/a' in row 17 (index 2026-03-01 00:17:00), which is no number; convert or drop the "
            "column, or put NaN there"
        )


@pytest.mark.parametrize(
    ("column", "shown"),
    [
        (["open"] * N_ROWS, "str, such as ['open']"),
        (INDEX, "datetime64"),
        (pd.Categorical(["on", "off"] * (N_ROWS // 2)), "category, such as ['on']"),
    ],
)
def test_a_column_of_another_type_is_refused_by_name(detector, column, shown):
    for message in refusals(detector, table().assign(flow=column)):
        assert message.startswith(f"column 'flow' holds {shown}")
        assert message.endswith("not numbers; convert or drop it")


@pytest.mark.parametrize("dtype", ["float32", "int64", "Float64", "Int64", "object", "bool"])
def test_columns_of_every_numeric_type_are_taken(dtype):
    numbers = (table() > 20).astype(float) if dtype == "bool" else table().round()
    converted = numbers.astype(dtype)
    scores = quick().fit(numbers).score_samples(numbers)
    np.testing.assert_allclose(quick().fit(converted).score_samples(converted), scores, rtol=1e-2, atol=1e-2)
    if dtype in ("Float64", "Int64", "object"):
        converted.iloc[30:40, 0] = None
        assert quick().fit(converted).errors(converted).iloc[30:40, 0].isna().all()


def test_missing_columns_are_refused_by_name(detector):
    message = (
        r"columns \['pressure'\] were there in fit and are missing now; add them \(NaN where nothing was measured\)"
    )
    with pytest.raises(DataError, match=message):
        detector.score_samples(table()[["flow"]])


def test_extra_columns_are_ignored_with_one_notice(detector):
    extra = table().assign(pump=1.0, note="hello")
    with pytest.warns(UserWarning, match=r"columns \['pump', 'note'\] were not there in fit and are ignored") as caught:
        scores = detector.score_samples(extra)
    assert len(caught) == 1
    np.testing.assert_array_equal(scores, detector.score_samples(table()))


def test_reordered_columns_are_put_in_order(detector):
    turned = table()[["pressure", "flow"]]
    np.testing.assert_array_equal(detector.score_samples(turned), detector.score_samples(table()))
    pd.testing.assert_frame_equal(detector.errors(turned), detector.errors(table()))


def test_columns_of_one_name_and_none_at_all_are_refused(detector):
    for message in refusals(detector, table().set_axis(["flow", "flow"], axis=1)):
        assert message == "columns ['flow'] occur more than once; rename or drop them"
    for message in refusals(detector, table()[[]]):
        assert message == "the table has no columns; pass at least one sensor"


def test_another_number_of_columns_is_refused():
    with pytest.raises(ValueError, match="X has 3 features, but AnomalyDetector is expecting 2 features"):
        quick().fit(readings(N_ROWS, "aa")).score_samples(readings(N_ROWS, "aaa"))


@pytest.mark.parametrize(("freq", "seconds"), [("10min", "600"), ("10s", "10")])
def test_another_sampling_period_is_refused(detector, freq, seconds):
    other = table().set_axis(pd.date_range("2026-03-01", periods=N_ROWS, freq=freq))
    message = (
        f"the rows come every {seconds} s, in training every 60 s; resample them (X.resample('60s').mean()) or fit a "
        "detector for this period"
    )
    with pytest.raises(DataError, match=re.escape(message)):
        detector.score_samples(other)
    with pytest.raises(DataError, match=re.escape(message)):
        quick().fit([table(), other])


def test_tables_without_a_clock_are_taken(detector):
    plain = detector.score_samples(table().reset_index(drop=True))
    np.testing.assert_array_equal(plain, detector.score_samples(table()))
    irregular = table().set_axis(INDEX[0] + pd.to_timedelta(np.cumsum(np.arange(N_ROWS) % 97 + 1), unit="s"))
    assert np.isfinite(detector.score_samples(irregular)).all()
    np.testing.assert_array_equal(quick().fit(irregular).score_samples(irregular), plain)


@pytest.mark.parametrize(
    ("order", "row"), [([*range(100), 101, 100, *range(102, N_ROWS)], 101), (range(N_ROWS)[::-1], 1)]
)
def test_an_unsorted_index_is_refused_by_row(detector, order, row):
    bad = table().iloc[list(order)]
    for message in refusals(detector, bad):
        assert message == f"the time index steps back at row {row} ({bad.index[row]}); sort it: X = X.sort_index()"


def test_a_missing_time_is_refused(detector):
    for message in refusals(detector, table().set_axis(INDEX.where(np.arange(N_ROWS) != 5))):
        assert message == "the time index has 1 missing times; drop those rows"


def test_a_time_that_occurs_twice_is_taken(detector):
    assert np.isfinite(detector.score_samples(table().set_axis(INDEX.where(np.arange(N_ROWS) != 5, INDEX[4])))).all()


@pytest.mark.parametrize("n_rows", [1, 2, 4])
def test_too_few_rows_to_learn_from_are_refused(n_rows):
    message = rf"too few rows to learn from \(n_samples={n_rows}, exclusions left out\); pass at least 5, better some"
    with pytest.raises(DataError, match=message):
        quick().fit(table(n_rows))


@pytest.mark.parametrize("window_size", ["auto", 4])
@pytest.mark.parametrize("channels", ["a", "aa", "s", "c"])
@pytest.mark.parametrize("n_rows", [5, 6, 7, 9, 13, 20])
def test_few_rows_are_enough(window_size, channels, n_rows):
    values = readings(n_rows, channels)
    few = AnomalyDetector(window_size=window_size, max_steps=2, random_state=0).fit(values)
    assert np.isfinite(few.score_samples(values)).all()


def test_fewer_rows_than_a_window_are_refused_in_training_and_taken_in_scoring(detector):
    rule = r"exceeds the longest run of training rows without a gap \(=6\)"
    message = rf"`window_size` \(=8\) {rule}; pass a longer series or a smaller window"
    with pytest.raises(DataError, match=message):
        quick().fit(table(7))
    assert np.isfinite(detector.score_samples(table(7))).all()
    gaps = table().iloc[[row for row in range(N_ROWS) if row % 10 < 5]]
    with pytest.raises(DataError, match=r"`window_size` \(=8\) exceeds the longest run"):
        quick(max_fill=0).fit(gaps)


OTHERS = [readings(N_ROWS, "a"), readings(N_ROWS, "s"), readings(N_ROWS, "aa")]


@pytest.mark.parametrize("other", OTHERS)
def test_a_channel_without_any_value_is_taken(other):
    values = np.column_stack([other, np.full(N_ROWS, np.nan)])
    dead = quick().fit(values)
    assert np.isfinite(dead.score_samples(values)).all()
    assert np.isnan(dead.errors(values)[:, -1]).all()
    values[150:, -1] = 3.0
    assert np.isfinite(dead.score_samples(values)).all()
    assert np.isfinite(dead.errors(values)[150:, -1]).all()


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("value", [0.0, 7.5, -1e-12, 1e12])
def test_a_channel_that_never_changed_is_kept_and_shows_when_it_does(other, value):
    values = np.column_stack([other, np.full(N_ROWS, value)])
    changed = values.copy()
    changed[150:155, -1] = 50 + 3 * value
    detector = quick().fit(values)
    usual, found = detector.detect(values), detector.detect(changed)
    assert (usual.errors.iloc[:, -1] < 1).all()
    assert found.scores[150:155].max() > usual.scores.max()
    assert found.errors.iloc[150:155].mean().argmax() == values.shape[1] - 1


@pytest.mark.parametrize("value", [0.0, 3.0])
@pytest.mark.parametrize("n_channels", [1, 3])
def test_a_table_of_constants_can_be_learned(value, n_channels):
    values = np.full((N_ROWS, n_channels), value)
    constant = quick().fit(values)
    assert (constant.predict(values) == 1).all()
    values[100, 0] = value + 5
    assert constant.predict(values)[100] == -1


def test_a_table_without_any_value_is_refused_in_training_and_neutral_in_scoring(detector):
    empty = table() * np.nan
    message = "no held-out row has a score; pass more training rows, or rows with fewer missing values"
    with pytest.raises(DataError, match=message):
        quick().fit(empty)
    assert (detector.predict(empty) == 1).all()


@pytest.mark.parametrize(
    ("excluded", "message"),
    [
        (
            np.zeros(5, bool),
            r"`excluded` has shape \(5,\) and holds bool; it needs one boolean for each of the 200 rows",
        ),
        ([3, 4], r"`excluded` has shape \(2,\) and holds int64"),
        (np.full(N_ROWS, np.nan), r"`excluded` has shape \(200,\) and holds float64"),
        (np.ones(N_ROWS, bool), r"too few rows to learn from \(n_samples=0, exclusions left out\)"),
        (np.arange(N_ROWS) % 2 == 0, r"`window_size` \(=8\) exceeds the longest run of training rows"),
    ],
)
def test_unusable_exclusions_are_refused(excluded, message):
    with pytest.raises(DataError, match=message):
        quick().fit(table(), excluded=excluded)


def test_a_fleet_needs_a_mask_for_each_series():
    with pytest.raises(DataError, match=r"`excluded` has 1 masks for 2 series; pass one a series, or None"):
        quick().fit([table(), table()], excluded=[np.zeros(N_ROWS, bool)])


def test_codes_of_another_length_are_refused(detector):
    length = detector.latent_dim_
    message = (
        rf"codes have 2 columns, this detector's have {length} \(`latent_dim_`\); pass what its `transform` returned"
    )
    with pytest.raises(DataError, match=message):
        detector.inverse_transform(np.zeros((3, 2)))


NAN, INF = float("nan"), float("inf")
WHOLE = "must be a whole number of at least "
OR_AUTO = 'must be "auto" or a whole number of at least '
WRONG: list[tuple[str, list[Any], str]] = [
    ("preset", ["slow", None], "is unknown; choose one of alone, fast, balanced, best"),
    ("architecture", ["lstm", None, 3], "is unknown; choose one of dense, conv, transformer"),
    (
        "window_size",
        ["big", 3, -5, 2.5, None, [], [8, 3], ["a"], True],
        'must be "auto", a whole number of at least 4 rows, or a list of them',
    ),
    ("latent_dim", ["x", 0, 2.5, None, True], OR_AUTO + "1"),
    ("linear_path", ["yes", None, 2], 'must be True, False or "auto"'),
    ("hidden", [0, (0,), ("a",), "abc"], "must hold whole numbers of at least 1"),
    ("decoder_hidden", [0, (0,), ("a",), "abc"], "must hold whole numbers of at least 1"),
    ("n_blocks", [0, 2.5, "a", None], WHOLE + "1"),
    ("width", [0, 2.5, "a", None], WHOLE + "1"),
    ("n_heads", [0, 2.5, "a", None], WHOLE + "1"),
    ("kernel_size", [0, 1, 4, 2.5, "a", None], "must be an odd number of at least 3"),
    ("activation", ["swish", None], "is unknown; choose one of auto, gelu, relu"),
    ("dropout", [-0.1, "a", None, NAN], "must be a number of at least 0"),
    ("dropout", [1, 1.5], "must lie in [0, 1)"),
    ("bottleneck", ["narrow", None], "is unknown; choose one of deterministic, gaussian"),
    ("kl_weight", [-1, "much", None, NAN], 'must be "auto" or a number of at least 0'),
    ("kl_warm_up", [-1, "a", None, NAN], "must be a number of at least 0"),
    ("kl_warm_up", [1.5], "must lie in [0, 1]"),
    ("corruption", ["rust", 3], "is unknown; choose one of None, gaussian, mask_points"),
    ("corruption_level", [-1, 0, "a", None, NAN], "must be a positive number, such as 0.1"),
    ("loss", ["l3", None], "is unknown; choose one of l2, l1, huber, bernoulli, gaussian"),
    ("loss", ["bernoulli"], "needs values in [0, 1], and sensors are standardised; use 'gaussian'"),
    ("variance", [0, -1, "known", None, NAN], 'must be "learned" or a positive number'),
    ("variance", [0.5], "clashes with `loss` (='l2'), which has none"),
    ("sparsity", [-1, "a", None, NAN], "must be a number of at least 0"),
    ("contraction", [-1, "a", None, NAN], "must be a number of at least 0"),
    ("pretraining", ["gan", 3], "is unknown; choose one of None, rbm"),
    ("rbm", [3, "cd", [1]], "must be a dictionary, such as {'n_gibbs': 5}, or None"),
    ("rbm", [{"n_gibs": 5}], "names 'n_gibs', which is unknown; choose from n_steps, batch_size, n_gibbs"),
    ("rbm", [{"n_gibbs": 5}], "needs `pretraining` (=None) to be 'rbm'"),
    ("score_by", ["luck", None], "is unknown; choose one of auto, error, probability, elbo, masked"),
    ("n_samples", [0, 2.5, "a", None], OR_AUTO + "1"),
    ("max_steps", ["x", 0, 2.5, None], OR_AUTO + "1"),
    ("batch_size", [0, 2.5, "a", None], WHOLE + "1"),
    ("learning_rate", [0, -1, "a", None, NAN, INF], "must be a positive number, such as 0.002"),
    ("held_out", [0, 1, -1, "a", None, NAN], "must lie between 0 and 1, such as 0.15"),
    ("threshold", ["high", None, NAN, INF, True, [1]], "is unknown; choose a finite number or one of pot, quantile"),
    ("false_alarm_rate", [0, 1, -1, "a", None, NAN], "must lie between 0 and 1, such as 0.001"),
    ("label_classifier", [1, "yes", None], "must be True or False"),
    ("robust", [1, "yes", None], "must be True or False"),
    ("label_beta", [0, -1, "f1", None, True, NAN], "must be a positive number"),
    ("label_cost", [0, -1, "dear", True, NAN, INF], "must be a positive number, such as 20"),
    ("lag", ["x", -1, 2.5, None, True, NAN], OR_AUTO + "0"),
    ("max_fill", [-1, 2.5, "a", None], WHOLE + "0"),
    ("accelerator", ["abacus", None], "with `devices` (=1) cannot be used: "),
    ("devices", [0, -1, "a", None], WHOLE + "1"),
    ("precision", ["64-true", "x", None], "is unknown; choose one of 32-true, bf16-mixed, 16-mixed"),
]


@pytest.mark.parametrize(
    ("name", "value", "rule"), [(name, value, rule) for name, values, rule in WRONG for value in values]
)
def test_wrong_parameters_are_refused_by_name_and_value_before_training(name, value, rule):
    detector = quick(**{name: value})
    with pytest.raises(ParameterError) as caught:
        detector.fit(table())
    assert str(caught.value).startswith(f"`{name}` (={value!r}) {rule}")
    assert not hasattr(detector, "model_")


def test_every_parameter_has_wrong_values_here():
    untested = {"random_state", "network", "training"}  # scikit-learn's own check, and the next test
    options = {name.rpartition("__")[2] for name in AnomalyDetector().get_params()}
    assert {name for name, _, _ in WRONG} | untested == options


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"architecture": "conv", "hidden": (16,)}, r"`hidden` \(=\(16,\)\) clashes with `architecture` \(='conv'\)"),
        (
            {"window_size": 500},
            r"`window_size` \(=500\) exceeds the longest run of training rows without a gap \(=170\)",
        ),
        ({"held_out": 0.999}, r"`window_size` \(=8\) exceeds the longest run of training rows without a gap \(=0\)"),
    ],
)
def test_parameters_that_clash_with_each_other_or_the_table_are_refused(parameters, message):
    with pytest.raises((ParameterError, DataError), match=message):
        quick(**parameters).fit(table())


@pytest.mark.parametrize(
    ("threshold", "rate", "name"),
    [("high", None, "threshold"), (NAN, None, "threshold"), ("pot", 3, "false_alarm_rate")],
)
def test_a_wrong_threshold_is_refused_and_the_old_one_stays(detector, threshold, rate, name):
    before = detector.threshold_
    with pytest.raises(ParameterError, match=f"`{name}`"):
        detector.set_threshold(threshold, false_alarm_rate=rate)
    assert detector.threshold_ == before
