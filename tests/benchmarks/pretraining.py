"""Does a stack of Boltzmann machines help a deep autoencoder? `python -m tests.benchmarks.pretraining`.

The same deep network (sigmoid units, layers 256-128-64-16 down and mirrored up) is fine-tuned from three starts: random
weights; a stack of restricted Boltzmann machines, trained layer by layer; and, to tell what depth alone does, random
weights with units that are easy to train (gelu). Reported are the epochs of fine-tuning until the squared error on
held-out inputs is as low as the random start gets at its best, that best, and what the stack itself cost, counted in
epochs of the same batches (each RBM updates one layer pair, about a quarter of the network).

    python -m tests.benchmarks.pretraining                     digits and pump windows, three seeds
    python -m tests.benchmarks.pretraining --data digits --seeds 0
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from sklearn.datasets import load_digits
from torch import Tensor

from tsae.nn.autoencoder import build_autoencoder
from tsae.nn.options import NetworkSpec
from tsae.nn.rbm import UnitKind, pretrain
from tsae.series.bundled import bundled_dataset
from tsae.series.synthetic import make_series
from tsae.training.batches import ArraySource
from tsae.training.fit import fit_network
from tsae.training.objectives import reconstruction_loss
from tsae.training.options import TrainingSpec

BATCH = 64
DEEP = NetworkSpec(hidden=(256, 128, 64), latent_dim=16, activation="sigmoid")
STARTS = ("random", "stack", "random, gelu")


class Data(NamedTuple):
    """Inputs to learn from and held-out ones, and the kind of visible units that suits them."""

    training: Tensor
    held_out: Tensor
    visible: UnitKind


class Check(NamedTuple):
    """Squared error on held-out inputs after so many epochs of fine-tuning."""

    epoch: float
    error: float


def digits() -> Data:
    images = torch.from_numpy(load_digits().images / 16).float()[:, None]
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    return Data(images[order[:1400]], images[order[1400:]], "bernoulli")


def pump() -> Data:
    table = pd.read_csv(bundled_dataset("pump").train, index_col=0).interpolate().bfill().to_numpy(dtype=np.float32)
    return windows_of(table[:, table.std(axis=0) > 0], 16)


def waves() -> Data:
    return windows_of(make_series(6000, 3, random_state=0).astype(np.float32), 32)


def windows_of(table: np.ndarray, size: int) -> Data:
    """Standardised windows, the last 15 % in time held out."""
    split = int(0.85 * len(table))
    scaled = torch.from_numpy((table - table[:split].mean(axis=0)) / table[:split].std(axis=0))
    windows = scaled.unfold(0, size, 2).transpose(1, 2).contiguous()
    return Data(windows[: split // 2 - size], windows[split // 2 :], "gaussian")


DATA = {"digits": digits, "pump": pump, "waves": waves}


def history(data: Data, start: str, *, rate: float, n_epochs: int, stack_epochs: int, seed: int) -> list[Check]:
    """Held-out error about once an epoch of fine-tuning, from before the first one on."""
    bounded = data.visible == "bernoulli"
    options = replace(DEEP, output="sigmoid" if bounded else "identity")
    options = replace(options, activation="gelu" if start == "random, gelu" else "sigmoid")
    steps = -(-len(data.training) // BATCH)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_autoencoder(options, tuple(data.training.shape[1:]))
    if start == "stack":
        rbm = {"n_steps": stack_epochs * steps, "batch_size": BATCH}
        pretrain(network, options, data.training, visible=data.visible, rbm=rbm, random_state=seed)
    training = TrainingSpec(
        max_steps=n_epochs * steps, batch_size=BATCH, learning_rate=rate, n_checks=n_epochs, patience=n_epochs
    )
    loss = reconstruction_loss(network, training)
    sources = ArraySource(data.training), ArraySource(data.held_out)
    report = fit_network(network, loss, *sources, options=training, random_state=seed, keep_initial=True)
    return [Check(step / steps, error) for step, error in report.history]


def epochs_to(checks: Sequence[Check], wanted: float) -> float:
    """Epochs until the error is `wanted` or less; infinite if it never is."""
    return next((check.epoch for check in checks if check.error <= wanted), float("inf"))


def table(names: Sequence[str], seeds: Sequence[int], *, rate: float, n_epochs: int, stack_epochs: int) -> None:
    print(f"{'data':8}{'start':14}{'error at start':>15}{'best error':>12}{'epochs to the best of random':>30}")
    for name in names:
        data = DATA[name]()
        settings = {"rate": rate, "n_epochs": n_epochs, "stack_epochs": stack_epochs}
        found = {start: [history(data, start, seed=seed, **settings) for seed in seeds] for start in STARTS}
        wanted = [min(check.error for check in checks) for checks in found["random"]]
        for start, runs in found.items():
            epochs = [epochs_to(checks, least) for checks, least in zip(runs, wanted, strict=True)]
            best = np.median([min(check.error for check in checks) for checks in runs])
            first = np.median([checks[0].error for checks in runs])
            listed = ", ".join(f"{epoch:.0f}" for epoch in epochs)
            print(f"{name:8}{start:14}{first:15.4f}{best:12.4f}{listed:>30}", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=DATA)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--rate", type=float, default=2e-3, help="peak learning rate of the fine-tuning")
    parser.add_argument("--epochs", type=int, default=60, help="of fine-tuning")
    parser.add_argument("--stack-epochs", type=int, default=20, help="of each machine")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    table(given.data, given.seeds, rate=given.rate, n_epochs=given.epochs, stack_epochs=given.stack_epochs)


if __name__ == "__main__":
    main()
