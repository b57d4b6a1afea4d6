"""The learners of thresholds that come with the package, and their registry."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from tsae.alarms.thresholds.threshold import (
    MERGE_GAP,
    FollowingThreshold,
    Target,
    ThresholdLearner,
    cluster_peaks,
    known_scores,
    lowest_threshold,
)

__all__ = [
    "LEARNERS",
    "Conformal",
    "Mad",
    "ParetoTail",
    "PeaksOverThreshold",
    "Quantile",
    "Spot",
    "SpotThreshold",
    "fit_pareto",
]

FloatArray = NDArray[np.float64]
_STEEPEST = 0.5  # of the shape to either side; beyond, the estimate is noise and its extrapolation absurd
_N_GRID = 200
_N_ZOOMS = 3
_AT_ONCE = 4096  # excesses


@dataclass(frozen=True)
class ParetoTail:
    """P(excess > y) = (1 + shape · y / scale)^(−1/shape)."""

    shape: float
    scale: float

    def quantile(self, probability: float) -> float:
        """The excess that is exceeded with this probability, in (0, 1]."""
        log = -np.log(probability)
        return float(self.scale * (log if abs(self.shape) < 1e-6 else np.expm1(self.shape * log) / self.shape))


def fit_pareto(excesses: FloatArray) -> ParetoTail:
    """Fit to positive excesses `(n,)`.

    With θ = shape / scale the likelihood has one free parameter (Grimshaw, "Computing maximum likelihood estimates
    for the generalized Pareto distribution", Technometrics 35, 1993); it is searched on a grid that is refined
    around its best point, among shapes between −½ and ½.
    """
    mean, largest = float(excesses.mean()), float(excesses.max())
    y = excesses / mean
    low, high = -mean / largest * (1 - 1e-6), 8.0
    thetas = np.concatenate([np.linspace(low, 0, _N_GRID // 2), np.geomspace(1e-4, high, _N_GRID // 2)])
    for _ in range(_N_ZOOMS):
        best = int(np.argmax(_likelihoods(thetas, y)))
        thetas = np.linspace(thetas[max(0, best - 1)], thetas[min(len(thetas) - 1, best + 1)], _N_GRID // 4)
    shapes, scales = _parameters(thetas[len(thetas) // 2 :][:1], y)
    return ParetoTail(float(np.clip(shapes[0], -_STEEPEST, _STEEPEST)), float(scales[0]) * mean)


def _parameters(thetas: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Shapes and scales `(n_thetas,)` at which the likelihood is largest for each θ."""
    parts = range(0, len(y), _AT_ONCE)
    shapes = sum(np.log1p(np.outer(thetas, y[first : first + _AT_ONCE])).sum(axis=1) for first in parts) / len(y)
    exponential = np.abs(thetas) < 1e-9
    scales = shapes / np.where(exponential, 1.0, thetas)
    return np.where(exponential, 0.0, shapes), np.where(exponential, y.mean(), scales)


def _likelihoods(thetas: FloatArray, y: FloatArray) -> FloatArray:
    """Mean log likelihoods `(n_thetas,)`; lowest where the shape is out of bounds."""
    shapes, scales = _parameters(thetas, y)
    allowed = (np.abs(shapes) <= _STEEPEST) & (scales > 0)
    likelihoods = -np.log(np.where(allowed, scales, 1.0)) - 1 - shapes
    return np.where(allowed, likelihoods, -1e9 - np.abs(shapes))


@dataclass(frozen=True)
class Quantile(ThresholdLearner):
    """The score that a share of the calibration rows exceeds, interpolated; for episodes, the lowest score above
    which there are no more of them than allowed.
    """

    def learn(self, scores: NDArray[np.float64], target: Target) -> tuple[float, str]:
        """As `ThresholdLearner.learn`."""
        how = "the threshold lies just below the largest of their scores" if len(scores) * target.rate < 1 else ""
        if target.counts == "episodes":
            return lowest_threshold(scores, target.rate * len(scores)), how
        return float(np.quantile(scores, 1 - target.rate)), how


_GAUSSIAN = 1.4826  # MAD → standard deviation


@dataclass(frozen=True)
class Mad(ThresholdLearner):
    """median + k · 1.4826 · MAD, k the Gaussian quantile of the rate: robust, but blind to heavy tails.

    An episode counts as one row.
    """

    def learn(self, scores: NDArray[np.float64], target: Target) -> tuple[float, str]:
        """As `ThresholdLearner.learn`."""
        median = float(np.median(scores))
        spread = _GAUSSIAN * float(np.median(np.abs(scores - median)))
        return median + NormalDist().inv_cdf(1 - target.rate) * spread, ""


_FEWEST_EXCESSES = 20


@dataclass(frozen=True)
class PeaksOverThreshold(ThresholdLearner):
    """A tail fitted to the largest tenth of the scores (Siffer et al., "Anomaly detection in streams with extreme
    value theory", KDD 2017); for episodes, to the peaks of their runs, which are independent where rows are not.
    """

    tail: float = 0.1
    """Share of the scores above the tail's start."""

    def learn(self, scores: NDArray[np.float64], target: Target) -> tuple[float, str]:
        """As `ThresholdLearner.learn`; the quantile where there are too few distinct scores to fit a tail."""
        start = float(np.quantile(scores, 1 - self.tail))
        peaks = cluster_peaks(scores, start) if target.counts == "episodes" else scores[scores > start]
        share = len(peaks) / len(scores)
        if len(np.unique(peaks)) < _FEWEST_EXCESSES or target.rate >= share:
            return Quantile().learn(scores, target)
        value = start + fit_pareto(peaks - start).quantile(target.rate / share)
        return value, "their tail was extrapolated" if len(scores) * target.rate < 1 else ""


@dataclass(frozen=True)
class Conformal(ThresholdLearner):
    """The ⌊(n + 1) · rate⌋-th largest calibration score: a new normal row exceeds it with at most this probability.

    For episodes, the lowest score above which the calibration rows hold at most (n + 1) · rate − 1 of them, so that
    runs of rows that say the same count once. Where n is too small for the rate no finite threshold has the
    guarantee; the fitted tail stands in then, and the note says so.
    """

    def learn(self, scores: NDArray[np.float64], target: Target) -> tuple[float, str]:
        """As `ThresholdLearner.learn`."""
        allowed = math.floor((len(scores) + 1) * target.rate + 1e-9)
        if allowed < 1:
            value, how = PeaksOverThreshold().learn(scores, target)
            return value, f"no conformal guarantee, {how or 'their tail stands in'}"
        if target.counts == "episodes":
            return lowest_threshold(scores, allowed - 1), ""
        return float(np.sort(scores)[-allowed]), ""


_TAIL = {"rows": 0.02, "episodes": 0.1}  # least share of the calibration scores above the tail's start
_TIMES_RATE = 2.0  # the tail is at least so much wider than a budget of rows
_MOST_PEAKS = 500  # the latest; the source keeps all, its authors' library libspot keeps 200


@dataclass(frozen=True)
class Spot(ThresholdLearner):
    """SPOT, and with a `depth` DSPOT (Siffer et al., "Anomaly detection in streams with extreme value theory", KDD
    2017).

    What is learned at once is the source's initial threshold; `follow` goes on from there, row by row. As in the
    source, rows that are flagged are never learned: after a jump beyond the threshold it stays where it is and flags
    everything, and the tail, cut at the threshold again and again, shrinks, so that a budget is overrun the more the
    coarser it is (on independent scores about twice at 0.1 to 2 % of 20,000 rows).
    """

    depth: int = 0
    """Latest unflagged rows whose mean is taken off the scores before (DSPOT); 0 takes nothing off (SPOT)."""

    def learn(self, scores: FloatArray, target: Target) -> tuple[float, str]:
        """As `ThresholdLearner.learn`; the quantile where the budget reaches below the tail."""
        follower = SpotThreshold(scores, target, depth=self.depth)
        if target.rate >= follower.share:
            return Quantile().learn(scores, target)
        return follower.value, "their tail was extrapolated" if len(scores) * target.rate < 1 else ""

    def follow(self, calibration: FloatArray, target: Target) -> FollowingThreshold:
        """As `ThresholdLearner.follow`."""
        return SpotLanes(SpotThreshold(calibration, target, depth=self.depth))


class SpotThreshold:
    """Thresholds of rows in time order, each from scores of earlier rows only.

    Of a budget of episodes, a run of rows above the start of the tail is one peak. Handing rows in one by one or in
    blocks is the same, and memory does not grow.

    Parameters
    ----------
    calibration
        Scores of normal rows `(n,)` in time order, that the tail is first fitted to; NaN is left out.
    target
        What to keep on normal rows.
    depth
        See `Spot`; at most half the calibration rows.

    Examples
    --------
    >>> scores = np.random.default_rng(0).exponential(size=11000)
    >>> spot = SpotThreshold(scores[:1000], Target(0.001))
    >>> bool(0.0005 < (scores[1000:] > spot.thresholds(scores[1000:])).mean() < 0.002)
    True
    """

    def __init__(self, calibration: FloatArray, target: Target, *, depth: int = 0) -> None:
        known = known_scores(calibration)
        self.target, self._depth = target, min(depth, len(known) // 2)
        self._recent, self._oldest = known[len(known) - self._depth :].copy(), 0
        self._mean = float(self._recent.mean()) if self._depth else 0.0
        residuals = known[self._depth :] - _means_before(known, self._depth)
        tail = max(_TAIL[target.counts], _TIMES_RATE * target.rate, _FEWEST_EXCESSES / len(residuals))
        self._start = float(np.quantile(residuals, 1 - min(0.5, tail)))
        is_runs = target.counts == "episodes"
        peaks = cluster_peaks(residuals, self._start) if is_runs else residuals[residuals > self._start]
        self._n_rows, self._n_peaks = len(residuals), len(peaks)
        self._excesses = (peaks - self._start)[-_MOST_PEAKS:]
        self._since, self._grows = MERGE_GAP + 1, False  # rows since the last one of a run; whether it has a peak
        self._level = self._fitted()
        self.first = self.value
        """The threshold at the start."""

    @property
    def value(self) -> float:
        """The threshold of the next row."""
        return self._level + self._mean

    @property
    def share(self) -> float:
        """Peaks a row."""
        return self._n_peaks / self._n_rows

    def thresholds(self, scores: FloatArray) -> FloatArray:
        """Thresholds `(n,)` of the next rows, whose scores `(n,)` are learned afterwards."""
        return np.array([self.next(score) for score in scores.tolist()], dtype=np.float64)

    def next(self, score: float) -> float:
        """The threshold of the next row, whose score is learned afterwards."""
        threshold, residual = self.value, score - self._mean
        if residual > self._level:
            self._grows &= self._since <= MERGE_GAP
            self._since = 0
        elif residual == residual:
            self._n_rows += 1
            self._since += 1
            if residual > self._start and self._take_peak(residual - self._start):
                self._level = self._fitted()
            if self._depth:
                self._take_recent(score)
        return threshold

    def state(self) -> dict[str, FloatArray]:
        """Everything that has been learned since the start, as plain arrays."""
        counters = [self._n_rows, self._n_peaks, self._since, float(self._grows), self._oldest]
        numbers = [*counters, self._start, self._level, self._mean, self.first]
        arrays = {"excesses": self._excesses.copy(), "numbers": np.array(numbers, dtype=np.float64)}
        return arrays | ({"recent": self._recent.copy()} if self._depth else {})

    def restore(self, state: Mapping[str, FloatArray]) -> None:
        """Go on from what `state` gave."""
        self._excesses = np.array(state["excesses"], dtype=np.float64)
        if self._depth:
            self._recent = np.array(state["recent"], dtype=np.float64)
        numbers = state["numbers"].tolist()
        self._n_rows, self._n_peaks, self._since, grows, self._oldest = map(int, numbers[:5])
        self._grows = bool(grows)
        self._start, self._level, self._mean, self.first = numbers[5:]

    def _take_peak(self, excess: float) -> bool:
        """Whether it is a new peak, or a higher one of the run."""
        in_run = self.target.counts == "episodes" and self._grows and self._since <= MERGE_GAP + 1
        self._since, self._grows = 0, True
        if in_run:
            is_higher = excess > self._excesses[-1]
            self._excesses[-1] = max(self._excesses[-1], excess)
            return bool(is_higher)
        self._excesses = np.append(self._excesses, excess)[-_MOST_PEAKS:]
        self._n_peaks += 1
        return True

    def _take_recent(self, score: float) -> None:
        self._mean += (score - float(self._recent[self._oldest])) / self._depth
        self._recent[self._oldest] = score
        self._oldest = (self._oldest + 1) % self._depth
        if not self._oldest:
            self._mean = float(self._recent.mean())  # sums of differences go astray in the end

    def _fitted(self) -> float:
        if not len(self._excesses):
            return self._start
        return self._start + fit_pareto(self._excesses).quantile(min(1.0, self.target.rate / self.share))


class SpotLanes:
    """A `SpotThreshold` for each lane, which begins as `fresh`."""

    def __init__(self, fresh: SpotThreshold) -> None:
        self._fresh, self.first = fresh, fresh.first
        self._lanes: dict[int, SpotThreshold] = {}

    def levels(self, lanes: NDArray[np.intp]) -> FloatArray:
        return self.values(lanes)

    def values(self, lanes: NDArray[np.intp]) -> FloatArray:
        return np.array([self._lanes.get(lane, self._fresh).value for lane in lanes.tolist()])

    def next(self, score: float, lane: int = 0) -> float:
        return self._of(lane).next(score)

    def next_of(self, lanes: NDArray[np.intp], scores: FloatArray) -> FloatArray:
        pairs = zip(lanes.tolist(), scores.tolist(), strict=True)
        return np.array([self.next(score, lane) for lane, score in pairs], dtype=np.float64)

    def thresholds(self, scores: FloatArray, lane: int = 0) -> FloatArray:
        return self._of(lane).thresholds(scores)

    def state(self, lane: int) -> dict[str, FloatArray]:
        return self._lanes[lane].state() if lane in self._lanes else {}

    def restore(self, lane: int, state: Mapping[str, FloatArray]) -> None:
        if state:
            self._of(lane).restore(state)

    def _of(self, lane: int) -> SpotThreshold:
        if lane not in self._lanes:
            self._lanes[lane] = copy.deepcopy(self._fresh)
        return self._lanes[lane]


def _means_before(scores: FloatArray, depth: int) -> FloatArray | float:
    """Mean of the `depth` scores before each score but the first `depth` ones; 0 for none."""
    if not depth:
        return 0.0
    sums = np.cumsum(np.concatenate([[0.0], scores]))
    return np.asarray((sums[depth:-1] - sums[: -depth - 1]) / depth)


_DEPTH = 200  # rows; longer than most smoothed scores remember

LEARNERS: Mapping[str, ThresholdLearner] = {
    "pot": PeaksOverThreshold(),
    "quantile": Quantile(),
    "mad": Mad(),
    "conformal": Conformal(),
    "spot": Spot(),
    "dspot": Spot(depth=_DEPTH),
}
