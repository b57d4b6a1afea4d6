"""Is the bottleneck right for the data? Sampled windows, measured facts, and the sentences they lead to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsae.checks import evenly
from tsae.series.channels import ChannelScaler, forward_filled

__all__ = [
    "Advice",
    "BottleneckFacts",
    "Finding",
    "Inputs",
    "Run",
    "advise",
    "far_off",
    "principal_curve",
    "principal_directions",
    "sample_windows",
    "study_bottleneck",
]

Array = NDArray[np.float32]
Rebuild = Callable[[Array], Array]
_SAMPLED, _SAMPLED_VALUES = 2000, 2_000_000  # windows, and values in them
_MOST = 500  # inputs of each kind
_MOST_NUMBERS = 1_000_000  # in them
_AT_ONCE = 256
_FAR = 10.0  # robust standard deviations
_VISIBLE = 4.0  # usual errors by which a broken input must differ from the whole one to be counted
_FEWEST = 20  # inputs to judge by
_TOO_MUCH_LEFT = 0.2  # of the variance
_REBUILT = 0.5  # of the variance is left at most where a network rebuilds its inputs at all
_TOLD = 0.65  # AUC-ROC below which broken inputs pass as whole ones
_GAP = 2.0
_APART_A_NUMBER = 10  # inputs that share no row, for each number of the code
_FEWEST_APART = 10
_SECOND_MODE = 0.05  # what is far off more often than that is no error but another state
_MISSING = 0.2
_TOUCHED = 0.3
_CONCENTRATED = 0.5

Kind = Literal["narrow", "wide", "little", "dirty"]


class Inputs(NamedTuple):
    """Inputs of a network, and which of their values were observed."""

    values: NDArray[np.float32]
    """`(n, *input_shape)` without NaN."""
    observed: NDArray[np.bool_]
    """Same shape."""


class Run(NamedTuple):
    """Rows without a gap, of which some are looked at."""

    values: NDArray[np.floating]
    """`(n_rows, n_channels)` in the sensors' units, NaN where missing."""
    first: int
    stop: int


def sample_windows(scaler: ChannelScaler, runs: Sequence[Run], window_size: int) -> Inputs:
    """At most 2000 windows that lie between `first` and `stop` of a run, evenly spaced over all there are."""
    network = scaler.network_channels
    stops = np.array([run.stop for run in runs])
    n_windows = np.maximum(stops - np.array([run.first for run in runs]) - window_size + 1, 0)
    ends = np.cumsum(n_windows)  # windows up to the end of each run
    most = min(_SAMPLED, max(1, _SAMPLED_VALUES // (window_size * len(network))))
    chosen = evenly(int(ends[-1]), most)
    values = np.empty((len(chosen), window_size, len(network)), dtype=np.float32)
    observed = np.empty(values.shape, dtype=bool)
    for row, place in enumerate(chosen):
        number = int(np.searchsorted(ends, place, side="right"))
        start = int(stops[number] - window_size + 1 - (ends[number] - place))
        scaled = scaler.scaled(runs[number].values[start : start + window_size])[:, network]
        values[row], observed[row] = forward_filled(scaled)
    return Inputs(values, observed)


class Finding(NamedTuple):
    """Something to be changed."""

    kind: Kind
    """"narrow": normal inputs are not rebuilt. "wide": broken ones are rebuilt too. "little" or "dirty" data."""
    sentence: str


@dataclass(frozen=True)
class BottleneckFacts:
    """What was measured on training inputs and on held-out ones: windows of a series, or images.

    What is *left* is a mean squared error over the variance about the mean input: 0 is perfect, 1 no better than the
    mean.
    """

    n_values: int
    """Numbers in an input."""
    latent_dim: int
    n_apart: int
    """Training inputs that share no row."""
    lengths: tuple[int, ...]
    """Lengths of codes."""
    curve: tuple[float, ...]
    """What is left of held-out inputs when as many principal components of the training inputs are kept."""
    left_in_training: float
    """What the network leaves of training inputs."""
    left: float
    """What it leaves of held-out inputs."""
    told: float | None
    """AUC-ROC of its error between held-out inputs and broken ones, whose parts are mixed up: 0.5 cannot tell. `None`
    if mixing changes too little to see."""
    missing: float
    """Share of missing values in training inputs."""
    touched: float
    """Share of training inputs with a value that is 10 robust standard deviations off."""
    concentration: float
    """Share of its squared error on training inputs that the worst hundredth of them has."""

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> BottleneckFacts:
        """Facts as they stood in a manifest."""
        return cls(**{**facts, "lengths": tuple(facts["lengths"]), "curve": tuple(facts["curve"])})


@dataclass(frozen=True)
class Advice:
    """What was measured on the bottleneck, and what to change."""

    facts: BottleneckFacts
    findings: tuple[Finding, ...]
    """Empty if all is well."""

    def __str__(self) -> str:
        facts = self.facts
        lines = [f"{length:>6} principal components leave {left:6.1%}" for length, left in self.steps]
        lines.append(f"{facts.latent_dim:>6} numbers of the code leave    {facts.left:6.1%}")
        return "\n".join([*lines, *(finding.sentence for finding in self.findings)])

    @property
    def steps(self) -> list[tuple[int, float]]:
        """Lengths of codes, and what is left of held-out inputs."""
        return list(zip(self.facts.lengths, self.facts.curve, strict=True))


def advise(facts: BottleneckFacts) -> Advice:
    """Judge a bottleneck by what was measured."""
    findings = [_narrow(facts), _wide(facts), _little(facts), _dirty(facts)]
    return Advice(facts, tuple(finding for finding in findings if finding is not None))


def study_bottleneck(
    training: Array,
    held_out: Array,
    rebuild: Rebuild,
    *,
    latent_dim: int,
    n_apart: int,
    missing: float = 0.0,
    touched: float = 0.0,
    random_state: int = 0,
) -> BottleneckFacts:
    """Measure on windows `(n, time, channels)` or images `(n, channels, height, width)` in the network's values."""
    training, held_out = (_sample(inputs) for inputs in (training, held_out))
    lengths, curve = principal_curve(training, held_out, latent_dim)
    in_training, later = (_errors(inputs, rebuild) for inputs in (training, held_out))
    worst = np.sort(in_training)[::-1][: -(-len(in_training) // 100)]
    return BottleneckFacts(
        n_values=int(np.prod(held_out.shape[1:])),
        latent_dim=latent_dim,
        n_apart=n_apart,
        lengths=lengths,
        curve=curve,
        left_in_training=float(in_training.mean() / _variance(training)),
        left=float(later.mean() / _variance(held_out)),
        told=_told(held_out, later, rebuild, np.random.default_rng(random_state)),
        missing=missing,
        touched=touched,
        concentration=float(worst.sum() / max(in_training.sum(), 1e-30)) if len(in_training) >= _FEWEST else 0.0,
    )


def principal_curve(training: Array, held_out: Array, *extra: int) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Lengths 1, 2, 4, … (and `extra` ones) of codes, and what principal components of that number leave."""
    centre, directions, _ = principal_directions(training)
    others = _flat(held_out)
    squares = np.square((others - centre) @ directions.T).mean(axis=0)
    total = np.square(others - centre).mean(axis=0).sum()
    left = np.maximum(total - np.cumsum(squares), 0) / max(total, 1e-30)
    most = min(len(left), max(1, others.shape[1] - 1))
    doubled = {2**power for power in range(12)} | set(extra)
    lengths = sorted(length for length in doubled if length <= most)
    return tuple(lengths), tuple(float(left[length - 1]) for length in lengths)


def principal_directions(inputs: Array) -> tuple[Array, Array, Array]:
    """Mean of flat inputs `(n_values,)`, directions `(k, n_values)`, and their shares of the variance, falling."""
    flat = _flat(_sample(inputs))
    centre = flat.mean(axis=0)
    _, lengths, directions = np.linalg.svd(flat - centre, full_matrices=False)
    squares = np.square(lengths)
    return centre, directions, squares / max(float(squares.sum()), 1e-30)


def _sample(inputs: Array) -> Array:
    most = min(_MOST, max(1, _MOST_NUMBERS // max(1, inputs[0].size)))
    return inputs[evenly(len(inputs), most)]


def far_off(values: Array) -> NDArray[np.bool_]:
    """Which windows `(n, time, channels)` hold a value far from its channel's median, `(n,)`.

    A channel more than half of whose values are the same has no spread to judge by; values that are far off more often
    than one in twenty are another state of the channel.
    """
    rows = values.reshape(-1, values.shape[-1])
    median = np.median(rows, axis=0)
    spread = 1.4826 * np.median(np.abs(rows - median), axis=0)
    far = np.abs(values - median) > np.where(spread > 0, _FAR * spread, np.inf)
    return np.asarray((far & (far.mean(axis=(0, 1)) < _SECOND_MODE)).any(axis=(1, 2)))


def _errors(inputs: Array, rebuild: Rebuild) -> NDArray[np.float64]:
    """Mean squared error of each input, `(n,)`."""
    batches = (inputs[first : first + _AT_ONCE] for first in range(0, len(inputs), _AT_ONCE))
    parts = [_flat(np.square(rebuild(batch) - batch)).mean(axis=1) for batch in batches]
    return np.concatenate(parts).astype(np.float64)


def _told(whole: Array, errors: NDArray[np.float64], rebuild: Rebuild, rng: np.random.Generator) -> float | None:
    """AUC-ROC between whole inputs and broken ones; of the two ways to break them, the one that is told better."""
    from scipy.stats import mannwhitneyu

    found = []
    for broken in (_shuffled(whole, rng), _swapped(whole, rng)):
        differs = _flat(np.square(broken - whole)).mean(axis=1) > _VISIBLE * np.median(errors)
        if np.count_nonzero(differs) >= _FEWEST:
            wrong = _errors(broken[differs], rebuild)
            found.append(float(mannwhitneyu(wrong, errors).statistic / (len(wrong) * len(errors))))
    return max(found, default=None)


def _shuffled(inputs: Array, rng: np.random.Generator) -> Array:
    """Time steps, or rows of pixels, in another order for each input."""
    axis = 1 if inputs.ndim == 3 else 2
    orders = np.argsort(rng.random((len(inputs), inputs.shape[axis])), axis=1)
    shape = [len(inputs)] + [1] * (inputs.ndim - 1)
    shape[axis] = inputs.shape[axis]
    return np.take_along_axis(inputs, orders.reshape(shape), axis=axis)


def _swapped(inputs: Array, rng: np.random.Generator) -> Array:
    """One channel, or the later half of the only one, from another input."""
    if inputs.ndim == 3:  # as images of one row
        return _swapped(inputs.transpose(0, 2, 1)[:, :, :, np.newaxis], rng)[..., 0].transpose(0, 2, 1)
    broken, others = inputs.copy(), np.roll(inputs, len(inputs) // 2, axis=0)
    if inputs.shape[1] == 1:
        half = inputs.shape[2] // 2
        broken[:, :, half:] = others[:, :, half:]
        return broken
    rows, channels = np.arange(len(inputs)), rng.integers(inputs.shape[1], size=len(inputs))
    broken[rows, channels] = others[rows, channels]
    return broken


def _narrow(facts: BottleneckFacts) -> Finding | None:
    curve = dict(zip(facts.lengths, facts.curve, strict=True))
    own = min(facts.left, curve.get(facts.latent_dim, facts.left))  # a network that does worse lacks training
    most = min(8 * facts.latent_dim, facts.n_values // 2)
    better = [
        (length, left) for length, left in curve.items() if facts.latent_dim < length <= most and left < 0.5 * own
    ]
    if min(own, facts.left_in_training) <= _TOO_MUCH_LEFT or not better or _fits_less(facts):
        return None
    length, left = better[0]
    return Finding(
        "narrow",
        f"the code is too short: with `latent_dim` = {facts.latent_dim}, {facts.left:.0%} of what varies in normal "
        f"data is not rebuilt, with {length} principal components {left:.0%}; raise `latent_dim`",
    )


def _wide(facts: BottleneckFacts) -> Finding | None:
    if facts.latent_dim >= facts.n_values:
        return Finding(
            "wide",
            f"the code is as long as its input: `latent_dim` = {facts.latent_dim} for {facts.n_values} values, so that "
            "anomalies can be copied too; lower `latent_dim`, or take a longer window",
        )
    if facts.told is None or facts.told >= _TOLD or facts.left >= _REBUILT:
        return None
    return Finding(
        "wide",
        f"the code may be too long: inputs with mixed up parts are rebuilt nearly as well as normal ones (their error "
        f"tells them apart with an AUC of {facts.told:.2f}); lower `latent_dim` = {facts.latent_dim}",
    )


def _little(facts: BottleneckFacts) -> Finding | None:
    wanted = max(_FEWEST_APART, _APART_A_NUMBER * facts.latent_dim if _fits_less(facts) else 0)
    if facts.n_apart >= wanted:
        return None
    return Finding(
        "little",
        f"there is little data for a code of {facts.latent_dim} numbers: {facts.n_apart} training inputs that share no "
        f"row{_gap(facts) if _fits_less(facts) else ''}; pass more normal data, or take shorter windows or a shorter "
        "code",
    )


def _dirty(facts: BottleneckFacts) -> Finding | None:
    reason = ""
    if facts.missing > _MISSING:
        reason = f"{facts.missing:.0%} of the training values are missing; leave out sensors or stretches without any"
    elif facts.touched > _TOUCHED:
        reason = f"{facts.touched:.0%} of the training inputs hold a value that is far off; mark such values as missing"
    elif facts.concentration > _CONCENTRATED:
        reason = (
            f"the worst hundredth of the training inputs has {facts.concentration:.0%} of the error; exclude such "
            "stretches if they are not normal"
        )
    elif _fits_less(facts) and facts.n_apart >= _APART_A_NUMBER * facts.latent_dim:
        reason = f"held-out data are unlike the earlier ones{_gap(facts)}; is all of it normal operation?"
    return Finding("dirty", f"the data may be dirty: {reason}") if reason else None


def _fits_less(facts: BottleneckFacts) -> bool:
    """Whether the network fits held-out inputs far less well than those in training."""
    return facts.left > _TOO_MUCH_LEFT and facts.left > _GAP * facts.left_in_training


def _gap(facts: BottleneckFacts) -> str:
    return f", and {facts.left:.0%} of what varies is not rebuilt there, {facts.left_in_training:.0%} in training"


def _flat(inputs: Array) -> Array:
    return inputs.reshape(len(inputs), -1)


def _variance(inputs: Array) -> float:
    """Mean variance about the mean input."""
    return max(float(inputs.var(axis=0, dtype=np.float64).mean()), 1e-30)
