from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tsae.series.channels import ANALOG, CONSTANT, SWITCH, fit_channels, forward_filled

NAN = np.nan
readings = st.sampled_from([NAN, 0.0, 1.0, -3.5, 1e-300, 1e30]) | st.floats(-1e150, 1e150)


def columns(*lists: list[float]) -> np.ndarray:
    return np.array(lists, dtype=np.float64).T


def test_roles_means_and_spreads():
    scaler = fit_channels(
        columns([1, 2, 3, 6], [0, 1, 1, 0], [5, 5, NAN, 5], [NAN] * 4, [0, NAN, 0, 0], [0, 2, 2, 0], [0, 1, 0.5, 0])
    )
    assert scaler.role.tolist() == [ANALOG, SWITCH, CONSTANT, CONSTANT, CONSTANT, ANALOG, ANALOG]
    assert scaler.mean.tolist() == [3, 0.5, 5, 0, 0, 1, 0.375]
    np.testing.assert_allclose(scaler.scale[:5], [np.sqrt(3.5), 0.5, 0.25, 1, 1])


def test_networks_see_analog_channels_or_else_all():
    scaler = fit_channels(columns([0, 1, 0], [1.5, 2.5, 3.0], [4, 4, 4], [7, 8, 7]))
    assert scaler.network_channels.tolist() == [1, 3]
    assert scaler.constant_channels.tolist() == [2]
    assert fit_channels(columns([0, 1, 0], [4, 4, 4])).network_channels.tolist() == [0, 1]


def test_missing_values_change_nothing_about_the_others():
    full, holes = fit_channels(columns([1, 2, 3, 6])), fit_channels(columns([1, NAN, 2, 3, NAN, 6]))
    assert (full.mean, full.scale, full.role) == (holes.mean, holes.scale, holes.role)


def test_scaled_values_are_clipped_far_out_and_keep_nan():
    scaler = fit_channels(columns([-1, 1, -1, 1], [5, 5, 5, 5]))
    scaled = scaler.scaled(columns([0.5, 1e9, NAN, -1e9], [5, NAN, 6, 5]))
    np.testing.assert_array_equal(scaled, columns([0.5, 100, NAN, -100], [0, NAN, 4, 0]))
    assert scaled.dtype == np.float32


@given(hnp.arrays(np.float64, st.tuples(st.integers(1, 12), st.integers(1, 3)), elements=readings))
def test_training_values_scale_to_finite_numbers_of_unit_spread(values):
    before = values.copy()
    scaler = fit_channels(values)
    assert np.isfinite(scaler.mean).all()
    assert np.isfinite(scaler.scale).all()
    assert (scaler.scale > 0).all()
    scaled = scaler.scaled(values)
    np.testing.assert_array_equal(np.isnan(scaled), np.isnan(values))
    assert not np.isinf(scaled).any()
    assert (scaled[:, scaler.role == CONSTANT][~np.isnan(values[:, scaler.role == CONSTANT])] == 0).all()
    np.testing.assert_array_equal(values, before)


@given(
    values=hnp.arrays(np.float64, (9, 2), elements=st.floats(-100, 100)),
    factor=st.floats(0.01, 100),
    shift=st.floats(-100, 100),
)
def test_scaled_analog_values_do_not_depend_on_the_unit(values, factor, shift):
    values += np.arange(9)[:, None]
    scaler, other = fit_channels(values), fit_channels(values * factor + shift)
    analog = (scaler.role == ANALOG) & (other.role == ANALOG) & (np.ptp(values, axis=0) > 1)
    np.testing.assert_allclose(
        scaler.scaled(values)[:, analog], other.scaled(values * factor + shift)[:, analog], atol=1e-3
    )


@pytest.mark.parametrize("value", [0.0, 1.0, -20.0, 1e-320, 5e-324])
def test_a_change_of_a_constant_channel_shows_whatever_its_value(value):
    scaler = fit_channels(np.full((5, 1), value))
    assert scaler.scaled(np.array([[value]])) == 0
    assert abs(scaler.scaled(np.array([[value + 1.0]]))) >= 1


tables = hnp.arrays(
    np.float32, st.tuples(st.integers(0, 20), st.integers(1, 3)), elements=st.sampled_from([np.nan, -1.5, 0.0, 2.0])
)


def loop_fill(values: np.ndarray) -> list[list[float]]:
    latest = [0.0] * values.shape[1]
    filled = []
    for row in values.tolist():
        latest = [old if np.isnan(new) else new for old, new in zip(latest, row, strict=True)]
        filled.append(latest)
    return filled


@given(values=tables, cuts=st.lists(st.integers(0, 20), max_size=5))
def test_filling_equals_a_loop_whatever_the_blocks(values, cuts):
    before = values.copy()
    borders = [0, *sorted(min(cut, len(values)) for cut in cuts), len(values)]
    parts, last = [], None
    for a, b in pairwise(borders):
        parts.append(forward_filled(values[a:b], last))
        last = parts[-1][0][-1] if b > a else last
    filled, observed = (np.concatenate(part) for part in zip(*parts, strict=True))
    assert filled.tolist() == loop_fill(values)
    assert filled.dtype == np.float32
    np.testing.assert_array_equal(observed, ~np.isnan(values))
    np.testing.assert_array_equal(values, before)


def test_many_series_are_filled_side_by_side():
    values = np.array([[[1.0], [np.nan]], [[np.nan], [3.0]]])
    filled, _ = forward_filled(values, np.array([[7.0], [8.0]]))
    assert filled[..., 0].tolist() == [[1.0, 1.0], [8.0, 3.0]]
