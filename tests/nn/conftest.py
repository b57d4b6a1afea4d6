from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True)
def _same_draws_in_any_order() -> None:
    """Tests of networks may draw from torch's global generator; none depends on which ran before it."""
    torch.manual_seed(0)
