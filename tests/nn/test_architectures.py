"""One registry: an entry is all that a new architecture needs besides its encoder and decoder."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tsae import AnomalyDetector
from tsae.errors import ParameterError
from tsae.nn.architectures import ARCHITECTURES, Architecture
from tsae.nn.options import NetworkOptions, NetworkSpec


class Mean(nn.Module):
    """The mean of each channel is all that passes."""

    def __init__(self, shape: tuple[int, int], *, activation: Callable[[], nn.Module], dropout: float) -> None:
        super().__init__()
        self.out_features = shape[1]

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.mean(1)


class Level(nn.Module):
    """A level for each channel, the same in all rows."""

    def __init__(self, latent_dim: int, shape: tuple[int, int], *, learned_variance: bool, **_: Any) -> None:
        super().__init__()
        self.linear, self.n_rows = nn.Linear(latent_dim, shape[1]), shape[0]

    def forward(self, code: Tensor) -> Tensor:
        return self.linear(code)[:, None].repeat(1, self.n_rows, 1)


LEVELS = Architecture(lambda **_: (Mean, Level), options=("width",), kind="levels", beside="dense", overlap=2, wide=10)


def test_an_entry_is_enough_to_fit_and_to_save(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setitem(ARCHITECTURES, "levels", LEVELS)
    values = np.random.default_rng(0).normal(size=(200, 2))
    shared = {"max_steps": 3, "random_state": 0, "lag": 0}
    detector = AnomalyDetector(architecture="levels", preset="best", **shared).fit(values)
    rebuilding = [member for member in detector.model_.ensemble.members if member.options.architecture != "dense"]
    assert [member.stride for member in rebuilding] == [member.window_size // 2 for member in rebuilding]
    assert len([member for member in detector.model_.ensemble.members if member.options.architecture == "dense"]) > len(
        rebuilding
    )
    detector.save(tmp_path / "m.tsae")
    with pytest.raises(
        ParameterError, match=r"`hidden` .*clashes with `architecture` \(='levels'\), which takes width"
    ):
        AnomalyDetector(architecture="levels", network={"hidden": (8,)}, **shared).fit(values)
    with pytest.raises(ParameterError, match="choose one of dense, conv, transformer, levels"):
        AnomalyDetector(architecture="tcn", **shared).fit(values)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_entries_name_known_options_and_architectures(name: str) -> None:
    entry = ARCHITECTURES[name]
    assert entry.beside in set(ARCHITECTURES) - {name}
    assert set(entry.options) <= set(vars(NetworkOptions()))
    spec = NetworkSpec(architecture=name)
    encoder, decoder = entry.pair(**spec.layer_options((16, 2)))
    layers = {"activation": partial(nn.ReLU), "dropout": 0.0}
    features = encoder((16, 2), **layers)(torch.zeros(3, 16, 2))
    assert features.ndim == 2
    assert decoder(4, (16, 2), **layers)(torch.zeros(3, 4)).shape == (3, 16, 2)


def test_names_are_known_without_torch() -> None:
    code = (
        "import sys; from tsae.nn.architectures import ARCHITECTURES; assert not {'torch', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
