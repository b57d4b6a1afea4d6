from __future__ import annotations

import operator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsae.errors import ParameterError
from tsae.series.running import Running

OPERATORS = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
CHANNELS = ["speed", "motor load", "sand and gravel", "a<b"]
comparisons = st.tuples(
    st.integers(0, 3), st.sampled_from(sorted(OPERATORS)), st.sampled_from([-2.5, 0.0, 1.0, 1e3]), st.booleans()
)


@given(
    parts=st.lists(comparisons, min_size=1, max_size=3),
    cells=st.lists(st.sampled_from([np.nan, -2.5, 0.0, 0.5, 1.0, 1e4]), min_size=20, max_size=20),
)
def test_rows_are_off_where_a_comparison_fails(parts: list[tuple[int, str, float, bool]], cells: list[float]) -> None:
    names = [f'"{CHANNELS[place]}"' if quoted or place == 3 else CHANNELS[place] for place, *_, quoted in parts]
    text = " and ".join(f"{name} {sign} {number}" for name, (_, sign, number, _) in zip(names, parts, strict=True))
    values = np.reshape(cells, (5, 4))
    off = [
        any(np.isnan(row[place]) or not OPERATORS[sign](row[place], number) for place, sign, number, _ in parts)
        for row in values
    ]
    assert Running.parse(text).off(values, CHANNELS).tolist() == off


@pytest.mark.parametrize(
    "text", ["", "speed", "speed >", "> 1", "speed > fast", "speed = 1", "a > 1 b > 2", "a > 1 or b > 1", 5]
)
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(ParameterError, match=r"must compare a sensor with a number.*write 'speed > 10'"):
        Running.parse(text)
