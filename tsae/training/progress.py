"""The progress bar of a training run."""

from __future__ import annotations

from typing import Any, cast

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tsae.training.module import AutoEncoderModule

__all__ = ["StepBar"]


class StepBar(Callback):
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
        self._progress.update(self._task, completed=cast(AutoEncoderModule, pl_module).n_steps)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        loss = f"held-out loss {float(trainer.callback_metrics['held_out_loss']):.4g}"
        self._progress.update(self._task, loss=loss)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        self._progress.stop()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:  # noqa: ARG002
        self._progress.stop()
