from __future__ import annotations

from itertools import islice

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.training.networks import waves
from tsae.training.batches import ArraySource, EvenBatches, RandomBatches, WindowSource


@given(
    starts=st.lists(st.integers(0, 40), min_size=1, max_size=20),
    size=st.integers(1, 10),
    index=st.lists(st.integers(0, 100), max_size=12),
)
def test_windows_equal_slices(starts, size, index):
    values = waves(50)
    observed = values > 0
    source = WindowSource(values, observed, torch.tensor(starts), size)
    numbers = [number % len(starts) for number in index]
    batch = source.take(torch.tensor(numbers, dtype=torch.int64))
    assert len(source) == len(starts)
    assert batch.inputs.shape == (len(numbers), size, 2)
    for number, inputs, seen in zip(numbers, batch.inputs, batch.observed, strict=True):
        assert torch.equal(inputs, values[starts[number] : starts[number] + size])
        assert torch.equal(seen, observed[starts[number] : starts[number] + size])


def test_a_source_without_missing_entries_says_so():
    assert WindowSource(waves(9), None, torch.arange(4), 5).take(torch.tensor([3])).observed is None
    batch = ArraySource(waves(9)).take(torch.tensor([2, 2]))
    assert torch.equal(batch.inputs, waves(9)[[2, 2]])
    assert batch.observed is None


def numbered(n_examples: int) -> ArraySource:
    return ArraySource(torch.arange(n_examples))


def random_batches(n_examples: int, batch_size: int, n_batches: int, n_together: int = 1, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    batches = RandomBatches(numbered(n_examples), batch_size, generator, n_batches=n_batches, n_together=n_together)
    groups = list(batches)
    assert len(groups) == len(batches)
    assert all(len(group) == n_together for group in groups[:-1])
    return [batch.inputs.tolist() for group in groups for batch in group]


@given(n_examples=st.integers(1, 30), batch_size=st.integers(1, 12), n_together=st.integers(1, 5))
def test_every_example_comes_once_an_epoch(n_examples, batch_size, n_together):
    a_epoch = -(-n_examples // batch_size)
    batches = iter(random_batches(n_examples, batch_size, 3 * a_epoch, n_together))
    for _ in range(3):
        epoch = [number for batch in islice(batches, a_epoch) for number in batch]
        assert sorted(epoch) == list(range(n_examples))


@given(n_batches=st.integers(1, 30), n_together=st.integers(1, 9))
def test_as_many_batches_come_as_were_asked_for_however_grouped(n_batches, n_together):
    assert random_batches(10, 4, n_batches, n_together) == random_batches(10, 4, n_batches)
    assert len(random_batches(10, 4, n_batches)) == n_batches


def test_the_order_is_random_and_repeatable():
    first = random_batches(100, 100, 2)
    assert first[0] != first[1]
    assert first[0] != sorted(first[0])
    assert random_batches(100, 100, 2) == first
    assert random_batches(100, 100, 2, seed=1) != first


@pytest.mark.parametrize(("n_wanted", "expected"), [(3, [0, 4, 9]), (10, list(range(10))), (99, list(range(10)))])
def test_even_batches_are_spread_over_the_source_and_always_the_same(n_wanted, expected):
    batches = EvenBatches(numbered(10), n_wanted, 4)
    for _ in range(2):
        parts = [batch.inputs.tolist() for batch in batches]
        assert [number for part in parts for number in part] == expected
        assert len(parts) == len(batches)
        assert all(len(part) <= 4 for part in parts)


def test_even_batches_of_nothing():
    assert list(EvenBatches(numbered(0), 5, 4)) == []
