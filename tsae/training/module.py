"""The one LightningModule: any network, any objective."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import pytorch_lightning as pl
import torch
from pytorch_lightning.core.optimizer import LightningOptimizer
from torch import nn

from tsae.training.batches import Batch
from tsae.training.objectives import Loss
from tsae.training.options import TrainingSpec

__all__ = ["AutoEncoderModule"]


class AutoEncoderModule(pl.LightningModule):
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
