"""The one LightningModule: any network, any objective."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from tsae.nn.autoencoder import AutoEncoder
from tsae.training.batches import Batch
from tsae.training.objectives import objective
from tsae.training.options import TrainingOptions

__all__ = ["AutoEncoderModule"]


class AutoEncoderModule(pl.LightningModule):
    """Train `network` with AdamW on a one-cycle schedule and measure the held-out loss."""

    def __init__(self, network: AutoEncoder, options: TrainingOptions) -> None:
        super().__init__()
        self.network = network
        self.options = options

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:  # noqa: ARG002 (Lightning's signature)
        warm_up = max(1.0, self.options.kl_warm_up * self.options.max_steps)
        weight = self.options.kl_weight * min(1.0, (self.global_step + 1) / warm_up)
        return objective(self.network, batch, self.options, kl_weight=weight)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002 (Lightning's signature)
        loss = objective(self.network, batch, self.options, kl_weight=self.options.kl_weight)
        self.log("held_out_loss", loss, batch_size=len(batch.inputs))

    def configure_optimizers(self) -> Any:
        options = self.options
        parameters = [p for p in self.network.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(parameters, lr=options.learning_rate, weight_decay=options.weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=options.learning_rate, total_steps=options.max_steps + 1
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
