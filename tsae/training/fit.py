"""The fit loop: the one LightningModule, and a run that keeps the weights with the lowest held-out loss."""

from __future__ import annotations

import copy
import gc
import logging
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.callbacks import Callback, EarlyStopping
from pytorch_lightning.core.optimizer import LightningOptimizer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from tsae.errors import ParameterError, TrainingError
from tsae.training.batches import Batch, EvenBatches, RandomBatches, Source
from tsae.training.objectives import Loss
from tsae.training.options import FitReport, TrainingSpec

__all__ = ["fit_network"]

_STEPS_TOGETHER = 20  # optimiser steps in one step of Lightning
_WIDE = 4096  # numbers in an input, from which fewer are evaluated together
_HELD_OUT_EXAMPLES = 1024  # enough to rank checkpoints, cheap beside the steps between two checks


class _Module(pl.LightningModule):
    """Train `network` with AdamW on a one-cycle schedule and measure the held-out loss.

    One training step of Lightning takes several batches, an optimiser step each: networks for sensor windows are
    so small that Lightning's work around a single batch would cost as much as the batch itself.
    """

    def __init__(self, network: nn.Module, loss: Loss, options: TrainingSpec) -> None:
        super().__init__()
        self.network = network
        self.loss = loss
        self.options = options
        self.automatic_optimization = False
        self.n_steps = 0

    def training_step(self, batches: list[Batch], batch_idx: int) -> None:  # noqa: ARG002 (Lightning's signature)
        optimizer = cast(LightningOptimizer, self.optimizers())
        schedule = cast(torch.optim.lr_scheduler.LRScheduler, self.lr_schedulers())
        for batch in batches:
            loss = self.loss(batch, self._kl_weight())
            optimizer.zero_grad()
            self.manual_backward(loss)
            if self.options.gradient_clip and self.options.precision != "16-mixed":  # whose gradients are scaled
                self.clip_gradients(optimizer.optimizer, gradient_clip_val=self.options.gradient_clip)
            optimizer.step()
            schedule.step()
            self.n_steps += 1

    def validation_step(self, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002 (Lightning's signature)
        loss = self.loss(batch, self.options.kl_weight)
        self.log("held_out_loss", loss, batch_size=len(batch.inputs))

    @torch.no_grad()
    def held_out_loss(self, batches: Iterable[Batch]) -> float:
        """Mean loss over `batches`, outside of Lightning's loops."""
        self.eval()
        losses = [(float(self.loss(batch, self.options.kl_weight)), len(batch.inputs)) for batch in batches]
        self.train()
        return sum(loss * count for loss, count in losses) / sum(count for _, count in losses)

    def configure_optimizers(self) -> Any:
        options = self.options
        parameters = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(
            parameters,
            lr=options.learning_rate,
            weight_decay=options.weight_decay,
            fused=options.precision == "32-true",  # Lightning clips no gradients of a fused optimiser otherwise
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=options.learning_rate, total_steps=options.max_steps + 1
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _kl_weight(self) -> float:
        warm_up = max(1.0, self.options.kl_warm_up * self.options.max_steps)
        return self.options.kl_weight * min(1.0, (self.n_steps + 1) / warm_up)


class _BestWeights(Callback):
    """Keep a copy of the weights with the lowest held-out loss in memory."""

    def __init__(self) -> None:
        self.best = float("inf")
        self.step = 0
        self.state: dict[str, Tensor] | None = None
        self.history: list[tuple[int, float]] = []

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        module = cast(_Module, pl_module)
        self.consider(module.n_steps, float(trainer.callback_metrics["held_out_loss"]), module)

    def consider(self, n_steps: int, loss: float, module: _Module) -> None:
        """Keep the module's weights if they are the best so far."""
        self.history.append((n_steps, loss))
        if loss < self.best:
            self.best, self.step = loss, n_steps
            self.state = copy.deepcopy(module.state_dict())


class _StepBar(Callback):
    """A bar of optimiser steps on standard error that goes away when training ends.

    Lightning's own bars write to standard output, which belongs to the caller.
    """

    def __init__(self, n_steps: int) -> None:
        columns = BarColumn(), MofNCompleteColumn(), TextColumn("steps {task.fields[loss]}"), TimeRemainingColumn()
        console = Console(stderr=True)
        self._progress = Progress(TextColumn("training"), *columns, console=console, transient=True)
        self._task = self._progress.add_task("training", total=n_steps, loss="")

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        self._progress.start()

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:  # noqa: ARG002
        self._progress.update(self._task, completed=cast(_Module, pl_module).n_steps)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        loss = f"held-out loss {float(trainer.callback_metrics['held_out_loss']):.4g}"
        self._progress.update(self._task, loss=loss)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        self._progress.stop()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:  # noqa: ARG002
        self._progress.stop()


def fit_network(
    network: nn.Module,
    loss: Loss,
    training: Source,
    held_out: Source | None,
    *,
    options: TrainingSpec,
    random_state: int,
    keep_initial: bool = False,
) -> FitReport:
    """Train `network` in place on random batches of `training`; restore the best weights on `held_out`.

    With `keep_initial` the weights before the first step compete too (`best_step` is then 0 if they are best).
    Shows a progress bar when standard error is a terminal and is silent otherwise. PyTorch's global random state
    is the same before and after.

    Raises
    ------
    ParameterError
        If this machine does not have what `options` ask for.
    TrainingError
        If the loss became NaN or infinite before any weights were worth keeping.
    KeyboardInterrupt
        If the user interrupted; the network then holds whatever it had learned.
    """
    best = _BestWeights()
    generator = torch.Generator().manual_seed(random_state)
    width = training.take(torch.zeros(1, dtype=torch.int64)).inputs.numel()
    most_together = _STEPS_TOGETHER if width <= _WIDE else 1
    n_together = max(1, min(most_together, options.max_steps // options.n_checks))
    batches = RandomBatches(training, options.batch_size, generator, n_batches=options.max_steps, n_together=n_together)
    callbacks: list[Callback] = []
    validation = None
    if held_out is not None and len(held_out) > 0:
        n_at_once = 512 if width <= _WIDE else 64
        validation = EvenBatches(held_out, _HELD_OUT_EXAMPLES, n_at_once)
        stopping = EarlyStopping("held_out_loss", patience=options.patience, check_on_train_epoch_end=False)
        callbacks = [best, stopping]
    with torch.random.fork_rng(devices=[]), _quiet_lightning():
        torch.manual_seed(random_state)
        trainer = _trainer(options, callbacks, check_every=max(1, len(batches) // options.n_checks))
        module = _Module(network, loss, options)
        if keep_initial and validation is not None:
            best.consider(0, module.held_out_loss(validation), module)
        try:
            trainer.fit(module, batches, validation)
        except SystemExit:  # how Lightning ends the process when the user interrupts
            if trainer.interrupted:
                raise KeyboardInterrupt from None
            raise
        del trainer
        if width > _WIDE:
            gc.collect()  # what Lightning keeps of the optimiser in circles of references, three times the weights
    return _finish(module, best, is_measured=validation is not None)


def _finish(module: _Module, best: _BestWeights, *, is_measured: bool) -> FitReport:
    """Restore the best weights and report, unless there are none that can be used."""
    if best.state is not None:
        module.load_state_dict(best.state)
    module.network.eval().requires_grad_(False)
    is_finite = all(bool(torch.isfinite(parameter).all()) for parameter in module.network.parameters())
    if (is_measured and best.state is None) or not is_finite:
        rule = "training diverged (the loss or the weights became NaN or infinite)"
        raise TrainingError(f"{rule}; use a smaller `learning_rate` or full precision")
    return FitReport(
        n_steps=module.n_steps,
        best_step=best.step if best.state is not None else module.n_steps,
        held_out_loss=best.best if best.state is not None else None,
        history=tuple(best.history),
    )


def _trainer(options: TrainingSpec, callbacks: list[Callback], *, check_every: int) -> pl.Trainer:
    watched = sys.stderr is not None and sys.stderr.isatty()
    try:
        return pl.Trainer(
            max_epochs=1,
            accelerator=options.accelerator,
            devices=options.devices,
            precision=options.precision,  # type: ignore[arg-type]
            callbacks=[*callbacks, _StepBar(options.max_steps)] if watched else callbacks,
            logger=False,
            enable_checkpointing=False,
            enable_model_summary=False,
            enable_progress_bar=False,
            num_sanity_val_steps=0,
            val_check_interval=check_every,
            limit_val_batches=None if callbacks else 0,
        )
    except (MisconfigurationException, ImportError, ValueError) as error:
        wanted = f"`accelerator` (={options.accelerator!r}) with `devices` (={options.devices}) cannot be used"
        raise ParameterError(f'{wanted}: {error}; pass accelerator="cpu" or "auto"') from error


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
