from __future__ import annotations

import copy
import random
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.training.networks import network, windows
from tsae.errors import ParameterError, TrainingError
from tsae.nn.autoencoder import AutoEncoder
from tsae.training.batches import EvenBatches, WindowSource
from tsae.training.fit import fit_network
from tsae.training.objectives import reconstruction_loss
from tsae.training.options import FitReport, TrainingSpec


def fit(
    net: AutoEncoder,
    held_out: WindowSource | None = None,
    *,
    training: WindowSource | None = None,
    random_state: int = 0,
    keep_initial: bool = False,
    **options: Any,
) -> FitReport:
    settings = TrainingSpec(**{"max_steps": 30, "batch_size": 32, **options})
    return fit_network(
        net,
        reconstruction_loss(net, settings),
        windows(160) if training is None else training,
        held_out,
        options=settings,
        random_state=random_state,
        keep_initial=keep_initial,
    )


def held_out_loss(net: AutoEncoder, source: WindowSource) -> float:
    batch = source.take(torch.arange(len(source)))
    return reconstruction_loss(net.eval(), TrainingSpec())(batch, 1.0).item()


HELD_OUT = windows(200, first=160)


def test_training_lowers_the_loss():
    net = network()
    before = held_out_loss(net, HELD_OUT)
    report = fit(net, HELD_OUT, max_steps=100, learning_rate=1e-2)
    assert held_out_loss(net, HELD_OUT) < 0.5 * before
    assert report.n_steps == 100


def test_the_best_weights_are_restored():
    net = network()
    report = fit(net, HELD_OUT, max_steps=60, learning_rate=0.5, gradient_clip=0.0)
    losses = dict(report.history)
    assert report.held_out_loss == min(losses.values()) == losses[report.best_step]
    assert held_out_loss(net, HELD_OUT) == pytest.approx(report.held_out_loss, rel=1e-4)
    assert losses[report.history[-1][0]] > report.held_out_loss, "nothing had to be restored"


def test_held_out_loss_is_weighted_by_examples_when_there_are_several_batches():
    source = windows(1000, first=160)
    assert len(EvenBatches(source, 1024, 512)) == 2
    net = network()
    report = fit(net, source, max_steps=10)
    assert held_out_loss(net, source) == pytest.approx(report.held_out_loss, rel=1e-4)


def test_held_out_loss_is_measured_evenly_over_the_steps():
    report = fit(network(), HELD_OUT, max_steps=40, n_checks=10, patience=99)
    steps = [step for step, _ in report.history]
    assert steps == list(range(4, 41, 4))


def test_early_stopping_stops():
    report = fit(network(), HELD_OUT, max_steps=300, learning_rate=10.0, n_checks=100, patience=3)
    assert report.n_steps < 200
    assert report.best_step <= report.n_steps


@pytest.mark.parametrize("max_steps", [1, 2, 7, 25])
def test_few_steps_are_steps_too(max_steps):
    report = fit(network(), HELD_OUT, max_steps=max_steps, patience=99)
    assert report.n_steps == max_steps
    assert report.history


def test_initial_weights_may_win():
    net = network()
    before = copy.deepcopy(net.state_dict())
    first = held_out_loss(net, HELD_OUT)
    report = fit(net, HELD_OUT, learning_rate=50.0, keep_initial=True)
    assert (report.best_step, report.history[0][0]) == (0, 0)
    assert report.held_out_loss == pytest.approx(first, rel=1e-4)
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())


@pytest.mark.parametrize("held_out", [None, windows(200, first=193)], ids=["none", "empty"])
def test_without_held_out_windows_all_steps_are_taken(held_out):
    report = fit(network(), held_out)
    assert report == FitReport(n_steps=30, best_step=30, held_out_loss=None, history=())


def test_a_trained_network_is_ready_to_be_used():
    net = network(bottleneck="gaussian")
    fit(net, HELD_OUT)
    assert not net.training
    assert not any(parameter.requires_grad for parameter in net.parameters())
    assert {parameter.device.type for parameter in net.parameters()} == {"cpu"}


@pytest.mark.parametrize("options", [{}, {"bottleneck": "gaussian"}, {"corruption": "mask_blocks"}, {"dropout": 0.2}])
def test_the_same_seed_gives_the_same_weights_and_another_one_others(options):
    nets = [network(**options) for _ in range(3)]
    for net, seed in zip(nets, (0, 0, 1), strict=True):
        fit(net, HELD_OUT, random_state=seed)
    same, again, other = (torch.cat([tensor.flatten() for tensor in net.state_dict().values()]) for net in nets)
    assert torch.equal(same, again)
    assert not torch.equal(same, other)


def test_global_random_states_are_left_alone():
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.random.get_rng_state()
    fit(network(bottleneck="gaussian", corruption="gaussian"), HELD_OUT)
    assert random.getstate() == before[0]
    assert np.random.get_state()[1].tolist() == before[1]
    assert torch.equal(torch.random.get_rng_state(), before[2])


def test_series_are_left_alone():
    training = windows(160)
    before = training.values.clone()
    fit(network(corruption="salt_pepper"), HELD_OUT, training=training)
    assert torch.equal(training.values, before)


@pytest.mark.parametrize("with_held_out", [True, False])
@pytest.mark.parametrize("scale", [1e30, float("nan")])
def test_diverging_training_is_an_error(with_held_out, scale):
    training = windows(160)
    training.values *= scale
    held_out = WindowSource(training.values, None, torch.arange(100, 150), 8) if with_held_out else None
    with pytest.raises(TrainingError, match=r"training diverged .*; use a smaller `learning_rate` or full precision"):
        fit(network(), held_out, training=training)


def test_weights_from_before_training_diverged_are_kept():
    net = network()
    report = fit(net, HELD_OUT, learning_rate=1e18, gradient_clip=0.0, max_steps=40, patience=99, keep_initial=True)
    assert report.best_step == 0
    assert np.isfinite(held_out_loss(net, HELD_OUT))


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
def test_mixed_precision_passes_through_and_leaves_full_precision_weights(precision):
    mixed, full = network(), network()
    fit(mixed, HELD_OUT, precision=precision)
    fit(full, HELD_OUT)
    assert {parameter.dtype for parameter in mixed.parameters()} == {torch.float32}
    assert held_out_loss(mixed, HELD_OUT) == pytest.approx(held_out_loss(full, HELD_OUT), rel=0.1)
    assert not torch.equal(next(mixed.parameters()), next(full.parameters()))


def test_accelerators_that_are_not_there_are_refused_by_name():
    with pytest.raises(ParameterError, match=r"`accelerator` \(='abacus'\) .*; pass accelerator=\"cpu\" or \"auto\""):
        fit(network(), accelerator="abacus")
    with pytest.raises(ParameterError, match=r"`accelerator` \(='tpu'\) with `devices` \(=1\) cannot be used: "):
        fit(network(), accelerator="tpu")
    fit(network(), accelerator="auto")


def test_nothing_is_written_to_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fit(network(), HELD_OUT)
    assert list(Path().iterdir()) == []


def test_nothing_is_printed_logged_or_warned(capfd, caplog):
    fit(network(), HELD_OUT)
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


class InterruptedSource(WindowSource):
    """The user presses ctrl-C while a batch is cut."""

    def take(self, index: torch.Tensor) -> Any:
        signal.raise_signal(signal.SIGINT)
        return super().take(index)


@pytest.fixture
def heeded_interrupts():
    """A job in the background of a shell inherits that interrupts are ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeded_interrupts")
def test_an_interrupt_is_an_interrupt_and_the_next_one_too():
    source = windows(160)
    interrupted = InterruptedSource(source.values, None, source.starts, 8)
    handler = signal.getsignal(signal.SIGINT)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            fit(network(), HELD_OUT, training=interrupted)
        assert signal.getsignal(signal.SIGINT) is handler
    fit(network(), HELD_OUT)


def test_training_works_outside_the_main_thread():
    reports: list[FitReport] = []
    thread = threading.Thread(target=lambda: reports.append(fit(network(), HELD_OUT)))
    thread.start()
    thread.join()
    assert reports == [fit(network(), HELD_OUT)]


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("loss", "l3", "is unknown; choose one of l2, l1, huber, bernoulli, gaussian"),
        ("precision", "64-true", "is unknown; choose one of 32-true, bf16-mixed, 16-mixed"),
        ("max_steps", 0, "must be a whole number of at least 1"),
        ("batch_size", -1, "must be a whole number of at least 1"),
        ("devices", 0, "must be a whole number of at least 1"),
        ("kl_weight", -1.0, "must be a number of at least 0"),
        ("learning_rate", 0.0, "must be a positive number"),
        ("learning_rate", float("nan"), "must be a positive number"),
    ],
)
def test_wrong_options_are_refused_by_name(name, value, rule):
    with pytest.raises(ParameterError) as caught:
        TrainingSpec(**{name: value})
    assert str(caught.value).startswith(f"`{name}` (={value!r}) {rule}")
