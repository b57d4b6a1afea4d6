from __future__ import annotations

from dataclasses import asdict

import pytest

from tsae.networks.criterion import Criterion


@pytest.mark.parametrize("key", ["criterion", "judge"])
def test_a_criterion_is_read_under_its_name_and_that_of_older_files(key: str) -> None:
    criterion = Criterion("elbo", kl_weight=0.05, n_samples=8, seed=3)
    assert Criterion.of({"window_size": 16, key: asdict(criterion)}) == criterion
