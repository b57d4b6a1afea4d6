"""Training options of restricted Boltzmann machines (RBMs): plain values. Nothing here needs torch."""

from __future__ import annotations

from dataclasses import dataclass

from tsae.errors import ParameterError

__all__ = ["RBMOptions"]


@dataclass(frozen=True)
class RBMOptions:
    """Training options of RBMs.

    Parameters
    ----------
    n_steps, batch_size
        Updates of each RBM, and inputs per update.
    n_gibbs
        Steps of the Markov chain for each update, the k of CD-k.
    persistent
        Go on with the chains of the last update instead of starting at the batch (Tieleman, ICML 2008): a better
        density, but slower to learn features that an autoencoder can start from.
    learning_rate
        `None` takes 0.1, and 0.01 for RBMs with Gaussian units, whose reconstructions are not bounded.
    momentum, weight_decay
        Of the stochastic gradient steps; biases are not decayed.

    Raises
    ------
    ParameterError
        If a value is out of range.
    """

    n_steps: int = 1000
    batch_size: int = 64
    n_gibbs: int = 1
    persistent: bool = False
    learning_rate: float | None = None
    momentum: float = 0.9
    weight_decay: float = 2e-4

    def __post_init__(self) -> None:
        for name in ("n_steps", "batch_size", "n_gibbs"):
            if getattr(self, name) < 1:
                raise ParameterError(f"`{name}` (={getattr(self, name)!r}) must be at least 1; try the default")
        if self.learning_rate is not None and not self.learning_rate > 0:
            raise ParameterError(f"`learning_rate` (={self.learning_rate!r}) must be positive; try 0.01")
        if not 0 <= self.momentum < 1:
            raise ParameterError(f"`momentum` (={self.momentum!r}) must lie in [0, 1); try 0.9")
        if not self.weight_decay >= 0:
            raise ParameterError(f"`weight_decay` (={self.weight_decay!r}) must not be negative; try 0")
