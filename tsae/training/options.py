"""Options of the training as users pass them, the resolved description of one run, and its report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from tsae.checks import check_choice, check_not_negative, check_positive, check_whole, is_number, plain, short_repr
from tsae.errors import ParameterError
from tsae.nn.options import RBMOptions

__all__ = ["LIKELIHOODS", "LOSSES", "PRECISIONS", "FitReport", "TrainingOptions", "TrainingSpec"]

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")  # those that leave the weights in float32, which scoring needs
LOSSES = ("l2", "l1", "huber", "bernoulli", "gaussian")
LIKELIHOODS = ("bernoulli", "gaussian")


@dataclass(frozen=True, kw_only=True)
class _Run:
    """The fields that `TrainingOptions` and `TrainingSpec` share."""

    loss: str = "l2"
    kl_warm_up: float = 0.3
    sparsity: float = 0.0
    contraction: float = 0.0
    batch_size: int = 128
    learning_rate: float = 2e-3
    accelerator: str = "cpu"
    devices: int = 1
    precision: str = "32-true"

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, plain(getattr(self, field.name)))
        check_choice("loss", self.loss, LOSSES)
        check_choice("precision", self.precision, PRECISIONS)
        for name in ("batch_size", "devices"):
            check_whole(name, getattr(self, name), 1)
        for name in ("kl_warm_up", "sparsity", "contraction"):
            check_not_negative(name, getattr(self, name))
        if self.kl_warm_up > 1:
            raise ParameterError(f"`kl_warm_up` (={self.kl_warm_up}) must lie in [0, 1]; it is a share of the steps")
        check_positive("learning_rate", self.learning_rate, example=_Run.learning_rate)


@dataclass(frozen=True, kw_only=True, repr=False)
class TrainingOptions(_Run):
    """Options of the training of a detector's networks.

    In an `AnomalyDetector`, members that rebuild windows follow all of it. Members that predict hidden blocks have a
    loss of their own; they follow `batch_size`, `learning_rate`, `accelerator`, `devices` and `precision`.

    Parameters
    ----------
    loss : {"l2", "l1", "huber", "bernoulli", "gaussian"}
        What the network minimises. "bernoulli" needs values in [0, 1]; it is refused for series, whose sensors are
        standardised.
    variance : "learned" or float
        loss="gaussian": learned for every value, or fixed, 1 being a channel's own variance, or the square of the range
        of the pixels.
    kl_weight : "auto" or float
        bottleneck="gaussian": weight of the Kullback–Leibler divergence. "auto" takes 1 for a likelihood ("bernoulli",
        "gaussian"), otherwise 0.05 for series and 0.01 for images; with "l2" it is twice the variance of the noise.
    kl_warm_up : float
        Share of the steps over which this weight rises from 0.
    sparsity : float
        Weight of the mean absolute code.
    contraction : float
        Weight of the squared norm of the encoder's Jacobian (Rifai et al., ICML 2011).
    pretraining : {None, "rbm"}
        "rbm" starts a dense network, without linear path, from a stack of restricted Boltzmann machines.
    rbm : dict or None
        How these are trained: `n_steps` (else `max_steps`; 1000 for series with max_steps="auto"), `batch_size`,
        `n_gibbs` (the k of CD-k), `persistent`, `learning_rate`, `momentum`, `weight_decay`. `None` takes the defaults
        of all.
    batch_size : int
        Windows or images per step.
    learning_rate : float
        Peak of the one-cycle schedule.
    accelerator, devices, precision : str, int, str
        Passed to Lightning's `Trainer`; `precision` is "32-true", "bf16-mixed" or "16-mixed".

    Raises
    ------
    ParameterError
        If a value is unknown, out of range, or clashes with another one.

    Examples
    --------
    >>> TrainingOptions(loss="l2", batch_size=64)
    TrainingOptions(batch_size=64)
    """

    variance: float | Literal["learned"] = "learned"
    kl_weight: float | Literal["auto"] = "auto"
    pretraining: Literal["rbm"] | None = None
    rbm: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("pretraining", self.pretraining, (None, "rbm"))
        if self.kl_weight != "auto" and not (is_number(self.kl_weight) and self.kl_weight >= 0):
            raise ParameterError(f'`kl_weight` (={self.kl_weight!r}) must be "auto" or a number of at least 0')
        if self.variance != "learned":
            if not (is_number(self.variance) and self.variance > 0):
                raise ParameterError(f'`variance` (={self.variance!r}) must be "learned" or a positive number')
            if self.loss != "gaussian":
                rule = f"clashes with `loss` (={self.loss!r}), which has none"
                raise ParameterError(f"`variance` (={self.variance!r}) {rule}; use loss='gaussian', or 'learned'")
        self._check_rbm()

    def __repr__(self) -> str:
        return short_repr(self)

    @property
    def fixed_variance(self) -> float:
        """The variance of a Gaussian likelihood whose decoder does not return one."""
        return 1.0 if self.variance == "learned" else float(self.variance)

    def kl_weight_or(self, of_distances: float) -> float:
        """Return the weight of the KL divergence; "auto" is `of_distances` where the loss is not a likelihood."""
        if self.kl_weight != "auto":
            return float(self.kl_weight)
        return 1.0 if self.loss in LIKELIHOODS else of_distances

    def spec(self, *, kl_weight: float, max_steps: int | None = None) -> TrainingSpec:
        """Return the description of a run; `None` leaves the steps at their default."""
        shared = {field.name: getattr(self, field.name) for field in fields(_Run)}
        steps = TrainingSpec.max_steps if max_steps is None else max_steps
        return TrainingSpec(**shared, kl_weight=kl_weight, variance=self.fixed_variance, max_steps=steps)

    def _check_rbm(self) -> None:
        rbm = self.rbm
        if rbm is None:
            return
        if not isinstance(rbm, Mapping):
            raise ParameterError(f"`rbm` (={rbm!r}) must be a dictionary, such as {{'n_gibbs': 5}}, or None")
        known = [field.name for field in fields(RBMOptions)]
        for name in rbm:
            if name not in known:
                raise ParameterError(
                    f"`rbm` (={rbm!r}) names {name!r}, which is unknown; choose from {', '.join(known)}"
                )
        RBMOptions(**rbm)
        if self.pretraining is None:
            raise ParameterError(f"`rbm` (={rbm!r}) needs `pretraining` (=None) to be 'rbm'")


@dataclass(frozen=True, kw_only=True)
class TrainingSpec(_Run):
    """Resolved description of one training run; loss="bernoulli" expects a decoder that returns logits."""

    variance: float = 1.0
    """Of the "gaussian" likelihood, when the decoder does not return one."""
    kl_weight: float = 1.0
    """Weight β of the Kullback–Leibler term of a Gaussian bottleneck."""
    max_steps: int = 600
    """Steps after which training stops at the latest."""
    weight_decay: float = 1e-4
    gradient_clip: float = 1.0
    n_checks: int = 10
    """Measurements of the held-out loss, evenly spread over the steps."""
    patience: int = 4
    """Checks without a better held-out loss before training stops."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("max_steps", "n_checks", "patience"):
            check_whole(name, getattr(self, name), 1)
        for name in ("kl_weight", "weight_decay"):
            check_not_negative(name, getattr(self, name))
        check_positive("variance", self.variance, example=TrainingSpec.variance)


@dataclass(frozen=True)
class FitReport:
    """Steps and held-out losses of a training run."""

    n_steps: int
    best_step: int
    """Step whose weights were kept; the last one when nothing was held out."""
    held_out_loss: float | None
    """Loss of the kept weights on the held-out examples."""
    history: tuple[tuple[int, float], ...]
    """Held-out loss by step."""
