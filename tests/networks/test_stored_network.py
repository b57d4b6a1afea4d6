from __future__ import annotations

import numpy as np
import pytest
import torch

from tsae.errors import ModelFileError
from tsae.networks.stored_network import StoredNetwork
from tsae.networks.torch_network import TorchNetwork
from tsae.nn.autoencoder import build_autoencoder
from tsae.nn.linear import principal_path
from tsae.nn.options import NetworkSpec
from tsae.scoring.window_models import ReconstructionModel


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("n_channels", [1, 3])
@pytest.mark.parametrize("architecture", ["dense", "conv", "transformer"])
def test_it_rebuilds_windows_as_torch_does(architecture, n_channels, linear):
    shape, options = (12, n_channels), NetworkSpec(architecture=architecture, latent_dim=4)
    windows = torch.randn(300, *shape, generator=torch.Generator().manual_seed(0))
    path = principal_path(windows, max_components=2) if linear else None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        fitted = TorchNetwork(build_autoencoder(options, shape, linear_path=path), shape)
    stored = StoredNetwork(options, shape, fitted.state(), fitted.graphs())
    for n_windows in (1, 2, 300):
        some = windows[:n_windows].numpy()
        np.testing.assert_allclose(stored(some), fitted(some), rtol=1e-4, atol=1e-5)
    for single in map(ReconstructionModel.one_by_one, map(ReconstructionModel, (stored, fitted)), (None, 5)):
        errors = [single(window).copy() for window in windows[:3].numpy()]
        expected = ReconstructionModel(fitted).errors(windows[:3].numpy(), n_last=len(errors[0]))
        np.testing.assert_allclose(errors, expected, rtol=1e-4, atol=1e-5)


def test_arrays_of_another_network_are_told() -> None:
    shape, options = (12, 3), NetworkSpec(architecture="conv", latent_dim=4)
    state = TorchNetwork(build_autoencoder(options, shape), shape).state()
    before = {name: array.squeeze(2) if array.ndim == 4 else array for name, array in state.items()}
    with pytest.raises(ModelFileError, match="the model's arrays fit no network of this version of tsae; fit again"):
        StoredNetwork(options, shape, before, {}).encode(np.zeros((1, *shape), dtype=np.float32))


def test_graphs_hold_no_array_a_second_time():
    network = build_autoencoder(NetworkSpec(), (64, 3))
    fitted = TorchNetwork(network, (64, 3))
    (graph,) = fitted.graphs().values()
    assert set(graph.arrays) == set(fitted.state())
    assert len(graph.model) < 0.1 * sum(array.nbytes for array in fitted.state().values())
