"""How a network is trained. Every default is written here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass

from tsae.errors import ParameterError

__all__ = ["LOSSES", "PRECISIONS", "TrainingOptions"]

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")  # those that leave the weights in float32, which scoring needs
LOSSES = ("l2", "l1", "huber", "bernoulli", "gaussian")


@dataclass(frozen=True)
class TrainingOptions:
    """Options of one training run; plain values only, so that they can be written into a model file."""

    loss: str = "l2"
    """One of `LOSSES`; "bernoulli" expects targets in [0, 1] and a decoder that returns logits."""
    variance: float = 1.0
    """Variance of the "gaussian" likelihood when the decoder does not return one."""
    kl_weight: float = 1.0
    """Weight β of the Kullback–Leibler term of a Gaussian bottleneck."""
    kl_warm_up: float = 0.3
    """Share of the steps over which β rises from zero."""
    sparsity: float = 0.0
    """Weight of the mean absolute code."""
    contraction: float = 0.0
    """Weight of the squared norm of the encoder's Jacobian (Rifai et al., ICML 2011)."""
    max_steps: int = 600
    batch_size: int = 128
    learning_rate: float = 2e-3
    """Peak of the one-cycle schedule."""
    weight_decay: float = 1e-4
    gradient_clip: float = 1.0
    n_checks: int = 10
    """How often, evenly spread over the steps, the held-out loss is measured."""
    patience: int = 4
    """Checks without a better held-out loss before training stops."""
    accelerator: str = "cpu"
    """Passed to Lightning's `Trainer`: "cpu", "gpu", "mps", "auto"."""
    devices: int = 1
    precision: str = "32-true"
    """One of `PRECISIONS`, passed to Lightning's `Trainer`."""

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise ParameterError(f"`loss` (={self.loss!r}) is unknown; choose one of {', '.join(LOSSES)}")
        if self.precision not in PRECISIONS:
            raise ParameterError(f"`precision` (={self.precision!r}) is unknown; choose one of {', '.join(PRECISIONS)}")
        for name in ("max_steps", "batch_size", "n_checks", "patience", "devices"):
            if getattr(self, name) < 1:
                raise ParameterError(f"`{name}` (={getattr(self, name)}) must be at least 1")
        for name in ("kl_weight", "sparsity", "contraction", "weight_decay"):
            if getattr(self, name) < 0:
                raise ParameterError(f"`{name}` (={getattr(self, name)}) must not be negative")
        for name in ("learning_rate", "variance"):
            if not getattr(self, name) > 0:
                raise ParameterError(f"`{name}` (={getattr(self, name)}) must be positive")
        if not 0 <= self.kl_warm_up <= 1:
            raise ParameterError(f"`kl_warm_up` (={self.kl_warm_up}) must lie in [0, 1]; it is a share of the steps")
