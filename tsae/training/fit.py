"""The fit loop: one Lightning run that keeps the weights with the lowest held-out loss."""

from __future__ import annotations

import copy
import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping
from torch import Tensor

from tsae.errors import TrainingError
from tsae.nn.autoencoder import AutoEncoder
from tsae.training.batches import EvenBatches, RandomBatches, Source
from tsae.training.module import AutoEncoderModule
from tsae.training.options import TrainingOptions

__all__ = ["FitReport", "fit_autoencoder"]

_HELD_OUT_EXAMPLES = 1024  # enough to rank checkpoints, cheap beside the steps between two checks


@dataclass(frozen=True)
class FitReport:
    """What happened in a training run."""

    n_steps: int
    best_step: int
    """Step whose weights were kept; the last one when nothing was held out."""
    held_out_loss: float | None
    """Loss of the kept weights on the held-out examples."""
    history: tuple[tuple[int, float], ...]
    """Held-out loss by step."""


class _BestWeights(Callback):
    """Keep a copy of the weights with the lowest held-out loss in memory."""

    def __init__(self) -> None:
        self.best = float("inf")
        self.step = 0
        self.state: dict[str, Tensor] | None = None
        self.history: list[tuple[int, float]] = []

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        loss = float(trainer.callback_metrics["held_out_loss"])
        self.history.append((trainer.global_step, loss))
        if loss < self.best:
            self.best, self.step = loss, trainer.global_step
            self.state = copy.deepcopy(pl_module.state_dict())


def fit_autoencoder(
    network: AutoEncoder,
    training: Source,
    held_out: Source | None,
    *,
    options: TrainingOptions,
    random_state: int,
) -> FitReport:
    """Train `network` in place on random batches of `training`; restore the best weights on `held_out`.

    Shows a progress bar when standard error is a terminal and is silent otherwise. PyTorch's global random state
    is the same before and after.

    Raises
    ------
    TrainingError
        If the loss became NaN or infinite.
    KeyboardInterrupt
        If the user interrupted; the network then holds whatever it had learned.
    """
    best = _BestWeights()
    check_every = max(1, options.max_steps // options.n_checks)
    callbacks: list[Callback] = []
    validation = None
    if held_out is not None and len(held_out) > 0:
        validation = EvenBatches(held_out, _HELD_OUT_EXAMPLES, 512)
        stopping = EarlyStopping("held_out_loss", patience=options.patience, check_finite=True, verbose=False)
        callbacks = [best, stopping]
    with torch.random.fork_rng(devices=[]), _quiet_lightning():
        torch.manual_seed(random_state)
        generator = torch.Generator().manual_seed(random_state)
        trainer = pl.Trainer(
            max_steps=options.max_steps,
            accelerator=options.accelerator,
            devices=options.devices,
            precision=options.precision,  # type: ignore[arg-type]
            gradient_clip_val=options.gradient_clip or None,
            callbacks=callbacks,
            logger=False,
            enable_checkpointing=False,
            enable_model_summary=False,
            enable_progress_bar=sys.stderr is not None and sys.stderr.isatty(),
            num_sanity_val_steps=0,
            val_check_interval=check_every if validation is not None else None,
            check_val_every_n_epoch=None if validation is not None else 1,
            limit_val_batches=None if validation is not None else 0,
        )
        module = AutoEncoderModule(network, options)
        trainer.fit(module, RandomBatches(training, options.batch_size, generator), validation)
    if trainer.interrupted:
        raise KeyboardInterrupt
    if best.state is not None:
        module.load_state_dict(best.state)
    network.eval().requires_grad_(False)
    _check_finite(network)
    return FitReport(
        n_steps=trainer.global_step,
        best_step=best.step if best.state is not None else trainer.global_step,
        held_out_loss=best.best if best.state is not None else None,
        history=tuple(best.history),
    )


def _check_finite(network: AutoEncoder) -> None:
    if not all(bool(torch.isfinite(parameter).all()) for parameter in network.parameters()):
        raise TrainingError(
            "training diverged (weights became NaN or infinite); use a smaller `learning_rate` or full precision"
        )


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Silence Lightning's device reports, tips and advice on loader workers; the loops here need none."""
    logger = logging.getLogger("pytorch_lightning")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"(pytorch_lightning|lightning_fabric)\..*")
            warnings.filterwarnings("ignore", message=".*lr_scheduler.step.*")
            yield
    finally:
        logger.setLevel(level)
