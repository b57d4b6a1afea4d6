import numpy as np
import pytest

from tsae.errors import ParameterError
from tsae.series.synthetic import inject, make_series


def test_a_seed_gives_one_series_of_correlated_waves():
    values = make_series(1_000, 6, random_state=3, period=50)
    assert values.shape == (1_000, 6)
    np.testing.assert_array_equal(values, make_series(1_000, 6, random_state=np.random.default_rng(3), period=50))
    assert not np.array_equal(values, make_series(1_000, 6, random_state=4, period=50))
    assert np.linalg.svd(values, compute_uv=False)[3] < 0.2 * np.linalg.svd(values, compute_uv=False)[0]
    assert np.corrcoef(values[:-50, 0], values[50:, 0])[0, 1] > 0.9


@pytest.mark.parametrize("kind", ["spike", "level", "stuck", "noise", "drift"])
def test_a_fault_changes_its_rows_and_channel_only(kind):
    values = make_series(200, 3, random_state=0)
    before = values.copy()
    faulty = inject(values, 50, 90, 1, kind)
    np.testing.assert_array_equal(values, before)
    changed = faulty != values
    assert not changed[:50].any()
    assert not changed[90:].any()
    assert not changed[:, [0, 2]].any()
    assert changed[51:90, 1].mean() > 0.9


def test_sizes_are_in_standard_deviations():
    values = 10 * make_series(500, 2, random_state=0)
    shift = inject(values, 100, 200, 0, "level", size=2)[100:200, 0] - values[100:200, 0]
    np.testing.assert_allclose(shift, 2 * values[:, 0].std())
    ramp = inject(values, 100, 200, 0, "drift", size=2)[100:200, 0] - values[100:200, 0]
    np.testing.assert_allclose(ramp[[0, -1]], [0, 2 * values[:, 0].std()], atol=1e-12)


def test_nonsense_is_refused():
    with pytest.raises(ParameterError, match=r"`n_timesteps` \(=0\).* must be positive"):
        make_series(0, 1, random_state=0)
    values = make_series(10, 1, random_state=0)
    with pytest.raises(ParameterError, match=r"`start` \(=5\) and `stop` \(=11\) must be rows of the 10"):
        inject(values, 5, 11, 0, "level")
    with pytest.raises(ParameterError, match=r"`kind` \(='melt'\) must be one of 'stuck', 'spike'"):
        inject(values, 5, 6, 0, "melt")
