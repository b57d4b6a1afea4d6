"""What makes an entry of a window or a pixel of an image anomalous: plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["CRITERION_KINDS", "Criterion", "CriterionKind"]

CriterionKind = Literal["error", "probability", "elbo", "masked"]
CRITERION_KINDS: tuple[CriterionKind, ...] = ("error", "probability", "elbo", "masked")


@dataclass(frozen=True)
class Criterion:
    """How inputs are compared with what an autoencoder makes of them."""

    kind: CriterionKind = "error"
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

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> Criterion:
        """Return the criterion that a manifest, or its part about a member, holds; older ones call it "judge"."""
        return cls(**manifest["criterion" if "criterion" in manifest else "judge"])
