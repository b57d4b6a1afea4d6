"""What makes an entry of a window or a pixel of an image anomalous: plain values, which `judging` acts on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["JUDGE_KINDS", "Judge", "JudgeKind"]

JudgeKind = Literal["error", "probability", "elbo", "masked"]
JUDGE_KINDS: tuple[JudgeKind, ...] = ("error", "probability", "elbo", "masked")


@dataclass(frozen=True)
class Judge:
    """How inputs are compared with what an autoencoder makes of them."""

    kind: JudgeKind = "error"
    """"error": squared error. "probability": negative log-likelihood under `loss` (An & Cho, 2015). "elbo": the same
    plus the KL divergence between posterior and prior, which together bound the evidence of the input (Kingma &
    Welling, ICLR 2014). "masked": squared error of what is predicted for hidden entries from the others."""
    loss: str = "l2"
    variance: float = 1.0
    """Of a Gaussian likelihood, where the decoder does not return one."""
    kl_weight: float = 1.0
    n_samples: int = 1
    """Draws from the posterior that a variational likelihood is averaged over, or masks at least."""
    seed: int = 0
    """Of these draws; they are the same for every input, so that its score depends on nothing else."""
