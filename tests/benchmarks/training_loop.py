"""The same training twice: as tsae runs it, and as a bare loop of torch."""

from __future__ import annotations

import copy

import torch
from torch import nn

from tests.benchmarks.timing import Line, seconds
from tsae.nn.autoencoder import build_autoencoder
from tsae.nn.linear import principal_path
from tsae.nn.options import NetworkSpec
from tsae.training.batches import WindowSource
from tsae.training.fit import fit_network
from tsae.training.objectives import reconstruction_loss
from tsae.training.options import TrainingSpec

__all__ = ["against_a_bare_loop"]

_STEPS = 400


def against_a_bare_loop(values: torch.Tensor, window_size: int) -> Line:
    """Training on windows of `values` `(n_timesteps, n_channels)`, its checks of the held-out loss included."""
    n_training = int(0.85 * len(values))
    training = WindowSource(values, None, torch.arange(n_training - window_size + 1), window_size)
    held_out = WindowSource(values, None, torch.arange(n_training, len(values) - window_size + 1), window_size)
    path = principal_path(training.take(torch.linspace(0, len(training) - 1, 2000).long()).inputs)
    torch.manual_seed(0)
    network = build_autoencoder(NetworkSpec(), (window_size, values.shape[1]), linear_path=path)
    options = TrainingSpec(max_steps=_STEPS, patience=_STEPS)

    def ours() -> None:
        net = copy.deepcopy(network)
        fit_network(net, reconstruction_loss(net, options), training, held_out, options=options, random_state=0)

    def bare() -> None:
        bare_loop(copy.deepcopy(network), values[:n_training], window_size, options)

    ours_seconds, bare_seconds = (seconds(call) / _STEPS * 1e3 for call in (ours, bare))
    what = f"a training step, window {window_size} x {values.shape[1]}"
    against = f"{bare_seconds:.2f} ms in a bare torch loop"
    return Line(what, f"{ours_seconds:.2f} ms", against, ours_seconds / bare_seconds, "<= 1.3")


def bare_loop(network: nn.Module, values: torch.Tensor, window_size: int, options: TrainingSpec) -> None:
    """What a reader of torch's tutorial would write, for the same steps, without held-out rows."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, options.learning_rate, total_steps=_STEPS + 1)
    windows = values.unfold(0, window_size, 1).transpose(1, 2)
    network.train()
    order = torch.randperm(len(windows))
    for step in range(_STEPS):
        first = step * options.batch_size % (len(order) - options.batch_size)
        batch = windows[order[first : first + options.batch_size]]
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(network(batch).mean, batch)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), options.gradient_clip)
        optimizer.step()
        schedule.step()
