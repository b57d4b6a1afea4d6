from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsae.alarms.thresholds import Budget, parse_budget
from tsae.errors import ParameterError

UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 7 * 86400, "month": 30 * 86400}


@given(
    share=st.floats(1e-9, 0.99) | st.sampled_from([0.5, 0.001]),
    spelling=st.sampled_from(["{}", "{} ", "{} of rows", "{} rows"]),
)
def test_shares_are_rates_of_rows(share, spelling):
    for words in (share, spelling.format(share), spelling.format(f"{100 * share}%"), f"{100 * share} %"):
        budget = parse_budget(words)
        assert budget.counts == "rows"
        assert budget.rate(None) == pytest.approx(share)


@given(
    amount=st.floats(0.01, 1e4),
    per=st.integers(1, 10**6),
    unit=st.sampled_from(sorted(UNITS)),
    words=st.sampled_from(["{}/{} {}s", "{} per {} {}s", "{} PER {} {}s", "{} in {} {}s", " {} every {} {} "]),
    period=st.floats(1e-6, 0.01),
)
def test_counts_are_rates_of_episodes(amount, per, unit, words, period):
    budget = parse_budget(words.format(amount, per, unit))
    assert (budget.counts, budget.unit) == ("episodes", unit)
    expected = amount / per * period / UNITS[unit]
    if expected <= 0.1:
        assert budget.rate(period) == pytest.approx(expected)
    else:
        with pytest.raises(ParameterError, match="alarms a row"):
            budget.rate(period)


@given(amount=st.floats(1e-3, 1e3), per=st.integers(10_000, 10**7))
def test_counts_per_rows_need_no_clock(amount, per):
    assert parse_budget(f"{amount} per {per} rows").rate(None) == pytest.approx(amount / per)


@given(
    st.builds(Budget, st.just("episodes"), st.integers(1, 99), st.integers(1, 9), st.sampled_from(sorted(UNITS)))
    | st.builds(Budget, st.just("rows"), st.sampled_from([0.5, 0.01, 0.00125]))
)
def test_words_of_a_budget_give_the_budget_back(budget):
    assert parse_budget(str(budget)) == budget
    assert parse_budget(budget) is budget


@given(st.text("ab%/ -,.", max_size=12) | st.floats() | st.none() | st.booleans())
def test_anything_else_is_refused_by_name(words):
    if isinstance(words, float) and 0 < words < 1:
        assert parse_budget(words).rate(None) == words
    elif not isinstance(words, str) or not words[:1].isdigit():
        with pytest.raises(ParameterError, match=r"`false_alarm_rate` \(="):
            parse_budget(words)


@pytest.mark.parametrize(
    "words",
    ["", "0", "1", "100%", "0%", "-1%", "often", "1/fortnight", "0/week", "2 per 10 rows", "1 per 0 days", True],
)
def test_impossible_budgets_are_refused(words):
    with pytest.raises(ParameterError, match=r"must lie between 0 and 1, such as 0\.001"):
        parse_budget(words)


def test_time_needs_a_clock():
    with pytest.raises(ParameterError, match=r"'1 per week'.* speaks of time, but the rows have no clock"):
        parse_budget("1/week").rate(None)
