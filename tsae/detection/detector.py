"""`AnomalyDetector`: scikit-learn's outlier estimator for sensor tables."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, Self, cast, overload

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, OutlierMixin, TransformerMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted

from tsae.alarms.annotations import Annotations
from tsae.alarms.rules import EventRules
from tsae.alarms.thresholds import Threshold, ThresholdSet, learn_thresholds
from tsae.checks import plain
from tsae.detection.codes.bottleneck import Advice, advise
from tsae.detection.codes.cloud import Compression
from tsae.detection.codes.uses import checked_codes, codes_between, drawn_codes, generator, noise_by_channel
from tsae.detection.detecting import Detection, DetectionRun
from tsae.detection.inputs import (
    Entity,
    channel_names,
    check_period,
    checked_entities,
    entity_names,
    lay_out,
    like,
    never_flagged,
    with_off_rows,
)
from tsae.detection.labels.annotated import opened, with_annotations
from tsae.detection.labels.checks import annotations_of, check_label_parameters
from tsae.detection.learning import learn, recalibrated
from tsae.detection.parameters.groups import GroupedParameters
from tsae.detection.parameters.resolved import series_options
from tsae.detection.parameters.shared import ARCHITECTURE, HELD_OUT, LABEL_BETA, MAX_FILL, PRESET, THRESHOLD, documented
from tsae.detection.saving import Arrays, pack_detector
from tsae.errors import DataError
from tsae.nn.options import NetworkOptions
from tsae.scoring.rebuilding import (
    by_segment,
    cleaned_values,
    code_length,
    expected_values,
    row_codes,
    windows_of,
    with_noise,
)
from tsae.scoring.whole_series import CalibrationScores, grid_errors, score_grid
from tsae.series.grid import GridSeries
from tsae.store import write_model
from tsae.training.options import TrainingOptions

__all__ = ["AnomalyDetector"]

FloatArray = NDArray[np.float64]
Tables = Sequence[pd.DataFrame] | Sequence[NDArray[Any]]
Rows = pd.DataFrame | NDArray[np.floating] | list[pd.DataFrame] | list[NDArray[np.floating]]
"""A table like the one that was passed, or a list of them for a fleet."""


@documented
class AnomalyDetector(OutlierMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, GroupedParameters):  # type: ignore[misc]
    """Learn what normal rows of a sensor table look like, and flag rows that an autoencoder cannot rebuild.

    Tables are numpy arrays or DataFrames `(n_timesteps, n_channels)`, or a list of them for a fleet. NaN means
    "not measured" and is masked. A DataFrame with a time index is laid out on its clock: gaps of up to `max_fill`
    rows are bridged, longer ones split the series.

    Only the members that rebuild windows follow `architecture`, `latent_dim`, `score_by` and `network`. By default
    about half of the members predict hidden blocks instead. Their networks are fixed, and only `max_steps` and a part
    of `training` apply to them. With preset="alone", or a `window_size` other than "auto", there are none of these.

    Parameters
    ----------
    preset : {"alone", "fast", "balanced", "best"}
        Which networks, the *members*, make the score. "alone" has networks that rebuild windows. "balanced" adds
        networks that predict hidden blocks of a window from the rest, if `window_size` is "auto". "fast" has both,
        trains the first for a third of the steps and keeps the second linear. "best" adds to "balanced" networks of a
        second architecture, at two and a half times the cost; on average over real series it is not better.
    {architecture}
    window_size : "auto", int or list of int
        Rows per window, at least 4; each of several makes a member. "auto" takes 16 and 64, for a single channel also
        100, and shorter ones for short series.
    latent_dim : "auto" or int
        Length of the code. "auto" takes as many principal components as explain 95 % of the variance of the windows for
        the linear path, and 16 numbers for the network beside it.
    max_steps : "auto" or int
        Most training steps per member; early stopping may end before.
    {network}
    {training}
    {score_by_of_windows}
    held_out : float
        Share of the training rows, the last in time, that no network is trained on. They choose the weights, the scale
        of the score and the threshold.
    robust : bool
        Leave out training rows that are likely to be faulty (`rejected_`), for tables that may hold unknown faults.
    {threshold}
    false_alarm_rate : float or str
        The budget of false alarms. A count, such as "1/week" or "2 per 10000 rows", is one of alarms: runs of flagged
        rows. A share, such as 0.001 or "0.1%", is one of flagged rows; `detect` keeps it on the unsmoothed score.
    {label_classifier}
    {label_beta}
    {label_cost}
    lag : "auto" or int
        Rows after a row that its score may depend on; 0 answers at once. "auto" takes all that helps (`lag_`).
    max_fill : int
        Longest gap, in rows, that windows may cross.
    {random_state}

    Attributes
    ----------
    threshold_ : float
        Rows that score above it are flagged (in units of −log p, higher = more anomalous). It is learned from held-out
        rows, and raised if later training rows score higher under linear members fitted on earlier ones.
    offset_ : float
        `-threshold_`, scikit-learn's convention.
    window_size_, latent_dim_ : int
        Of the longest member, the one that `transform` uses.
    lag_ : int
        Rows that a score waits for.
    period_ : float or None
        Sampling period in seconds.
    thresholds_ : ThresholdSet
        The thresholds of all kinds of score.
    learned_threshold_ : Threshold
        The threshold with what stands behind it.
    rejected_ : list of list of [int, int]
        With `robust`: first and last row of every stretch that was left out, one list a series.
    fit_reports_ : list of FitReport
        Steps and held-out losses, one a member.

    Examples
    --------
    >>> import numpy as np
    >>> from tsae import AnomalyDetector
    >>> time = np.arange(600)
    >>> normal = np.column_stack([np.sin(time / 5), np.cos(time / 5)])
    >>> detector = AnomalyDetector(max_steps=20, random_state=0).fit(normal[:400])
    >>> today = normal[400:].copy()
    >>> today[100:110, 1] += 3
    >>> max(detector.detect(today).events, key=lambda event: event.severity).sensors[0].sensor
    'x1'
    """

    def __init__(
        self,
        *,
        preset: str = PRESET,
        architecture: str = ARCHITECTURE,
        window_size: str | int | Sequence[int] = "auto",
        latent_dim: str | int = "auto",
        max_steps: str | int = "auto",
        network: NetworkOptions | Mapping[str, Any] | None = None,
        training: TrainingOptions | Mapping[str, Any] | None = None,
        score_by: str = "auto",
        held_out: float = HELD_OUT,
        robust: bool = False,
        threshold: str | float = THRESHOLD,
        false_alarm_rate: float | str = "1 per 10000 rows",
        label_classifier: bool = False,
        label_beta: float = LABEL_BETA,
        label_cost: float | None = None,
        lag: str | int = "auto",
        max_fill: int = MAX_FILL,
        random_state: Any = None,
    ) -> None:
        self.preset = preset
        self.architecture = architecture
        self.window_size = window_size
        self.latent_dim = latent_dim
        self.max_steps = max_steps
        self.network = network
        self.training = training
        self.score_by = score_by
        self.held_out = held_out
        self.robust = robust
        self.threshold = threshold
        self.false_alarm_rate = false_alarm_rate
        self.label_classifier = label_classifier
        self.label_beta = label_beta
        self.label_cost = label_cost
        self.lag = lag
        self.max_fill = max_fill
        self.random_state = random_state

    def fit(
        self,
        X: Any,
        y: Any = None,  # noqa: ARG002
        *,
        excluded: Any = None,
        running: str | None = None,
        units: Mapping[str, str] | None = None,
        annotations: Any = None,
        labels: Any = None,
        entity: Any = None,
    ) -> Self:
        """Learn from normal rows.

        Parameters
        ----------
        X
            Table, or list of tables with the same channels (a fleet); `y` is ignored.
        excluded
            Boolean mask `(n_timesteps,)` of rows to leave out, or a list of masks for a fleet; or `Exclusions`.
        running
            Condition under which the plant runs, such as "speed > 10 and valve == 1". Other rows, and rows without
            the sensor, neither train nor alarm. The model keeps it.
        units
            Unit by channel, kept for events and the model file.
        annotations
            `Annotations` or their file, for tables named by `entity`; all but false alarms and new normal are left out.
            Or labels `(n_timesteps,)`, or a list of them: 1 anomalous (left out, chooses the threshold), 0, -1 or NaN.
        """
        learner = copy.copy(self)  # so that a failed fit leaves this one as it was
        learner._learn(X, excluded, running, dict(units or {}), annotations_of(annotations, labels), entity)
        self.__dict__ = learner.__dict__
        return self

    def _learn(
        self, X: Any, excluded: Any, running: str | None, units: dict[str, str], annotations: Any, entity: Any
    ) -> None:
        parameters = self.get_params(deep=False)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        options = series_options(parameters, seed=seed)
        tuning = check_label_parameters(self.label_classifier, self.label_beta, self.label_cost)
        entities, is_fleet = checked_entities(self, X, excluded, reset=True)
        label_real = bool(self.label_classifier)
        entities, known = with_annotations(entities, annotations, entity, is_fleet=is_fleet, labels_real=label_real)
        names = channel_names(self)
        about = (with_off_rows(entities, running, names), known, options, parameters, names, units)
        learned = learn(*about, tuning=tuning, random_state=seed, running=running)
        self.model_, self.codes_, self.fit_reports_, self.rejected_ = learned

    def set_threshold(self, threshold: str | float, *, false_alarm_rate: float | str | None = None) -> Self:
        """Learn the threshold anew from the scores of held-out normal rows, or state it, without training again.

        Parameters
        ----------
        threshold
            Name of a learner as in the constructor, or the score (in units of −log p, higher = more anomalous) above
            which rows are flagged.
        false_alarm_rate
            The budget, as in the constructor, whose value `None` keeps.

        Raises
        ------
        ParameterError
            If either is invalid, the budget needs a clock and the rows had none, or the learner needs labels.
        """
        check_is_fitted(self, "model_")
        rate = plain(self.false_alarm_rate if false_alarm_rate is None else false_alarm_rate)
        thresholds = learn_thresholds(self.calibration_, plain(threshold), rate, self.period_, self.model_.later)
        self.model_ = self.model_.with_thresholds(thresholds)
        return self

    def recalibrate(
        self,
        X: Any,
        *,
        excluded: Any = None,
        annotations: Any = None,
        labels: Any = None,
        entity: Any = None,
        threshold: str | float | None = None,
        false_alarm_rate: float | str | None = None,
        label_beta: float | None = None,
        label_cost: float | None = None,
    ) -> Self:
        """Learn the threshold anew from rows that the detector has not been trained on, without training again.

        Parameters
        ----------
        X
            Table `(n_timesteps, n_channels)` of normal rows, but for what `annotations` mark; or a list of tables.
        excluded, annotations, entity
            As in `fit`. Events that an `Annotations` file calls false alarms raise the bar for events like them.
        threshold
            Name of a learner as in the constructor, or the score above which rows are flagged, or what labelled
            anomalies choose: "label_beta" or "label_cost". `None` lets row labels choose, if any, else "pot".
        false_alarm_rate
            The budget, as in the constructor; `None` keeps the present one.
        label_beta, label_cost
            As in the constructor, whose values `None` keeps; to state one chooses its learner.

        Raises
        ------
        ParameterError
            If a parameter is invalid or clashes with another, or labels are to choose and mark no anomaly.
        DataError
            As `detect`, or if annotations hold other numbers.
        """
        entities, is_fleet = self._checked(X, excluded)
        given = opened(annotations_of(annotations, labels))
        entities, known = with_annotations(entities, given, entity, is_fleet=is_fleet, labels_real=True)
        self.model_ = recalibrated(
            *(self.model_, entities, known),
            *(plain(threshold), label_beta, label_cost),
            own=(self.label_beta, self.label_cost),
            false_alarm_rate=plain(false_alarm_rate),
            fallback_rate=self.false_alarm_rate,
            said=given if isinstance(given, Annotations) else None,
        )
        return self

    def score_samples(self, X: Any) -> FloatArray:
        """Scores `(n_timesteps,)` in scikit-learn's sign: the lower, the more abnormal. Fleets are concatenated."""
        entities, _ = self._checked(X)
        return -np.concatenate(
            [score_grid(self.model_.ensemble, self._grid(entity), lag=self.lag_).scores for entity in entities]
        )

    def decision_function(self, X: Any) -> FloatArray:
        """`score_samples(X) - offset_`, negative for flagged rows, `(n_timesteps,)`."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> NDArray[np.int64]:
        """1 for normal rows and -1 for flagged ones, `(n_timesteps,)`; 1 with the plant off or in no full window."""
        return np.where((self.decision_function(X) < 0) & ~never_flagged(self._checked(X)[0], self.model_), -1, 1)

    @overload
    def detect(
        self, X: Tables, *, excluded: Any = ..., rules: EventRules | None = ..., adapt: bool = ..., entity: Any = ...
    ) -> list[Detection]: ...
    @overload
    def detect(
        self, X: Any, *, excluded: Any = ..., rules: EventRules | None = ..., adapt: bool = ..., entity: Any = ...
    ) -> Detection: ...
    def detect(
        self, X: Any, *, excluded: Any = None, rules: EventRules | None = None, adapt: bool = True, entity: Any = None
    ) -> Detection | list[Detection]:
        """Return scores, labels and events of a table, or a list of them for a fleet.

        Parameters
        ----------
        X
            Table `(n_timesteps, n_channels)` in time order with the channels of `fit`, or a list of tables.
        excluded
            Boolean mask `(n_timesteps,)` of rows that must not alarm, or a list for a fleet; or `Exclusions`.
        rules
            When flagged rows make an event.
        adapt
            Whether the threshold follows the scores of earlier rows; `predict` never does.
        entity
            Name of the entity, which its events carry; a list of names for a fleet. `None` numbers those of a fleet.

        Raises
        ------
        DataError
            If a channel is missing or holds text or infinity, times step back, or rows come at another pace.
        ParameterError
            If there are not as many names as tables.
        """
        entities, is_fleet = self._checked(X, excluded)
        names = entity_names(entity, len(entities), is_fleet=is_fleet)
        found = [self._run(*each, rules, adapt).whole() for each in zip(entities, names, strict=True)]
        return found if is_fleet else found[0]

    def detect_in_parts(
        self, X: Any, *, excluded: Any = None, rules: EventRules | None = None, adapt: bool = True, entity: str = ""
    ) -> DetectionRun:
        """`detect` for one table whose results come part by part, so that they need not be in memory together."""
        (rows,), _ = self._checked(X, excluded)
        return self._run(rows, entity, rules, adapt)

    @overload
    def errors(self, X: pd.DataFrame) -> pd.DataFrame: ...
    @overload
    def errors(self, X: Sequence[pd.DataFrame]) -> list[pd.DataFrame]: ...
    @overload
    def errors(self, X: Sequence[NDArray[Any]]) -> list[NDArray[np.floating]]: ...
    @overload
    def errors(self, X: Any) -> NDArray[np.floating]: ...
    def errors(self, X: Any) -> Rows:
        """Return the error of every row and channel over the channel's usual error: 1 is usual, NaN missing.

        Shaped and indexed like `X` (a DataFrame if `X` is one); a list for a fleet.
        """
        check_is_fitted(self, "model_")
        return self._for_each(X, partial(grid_errors, self.model_.ensemble, lag=self.lag_))

    @overload
    def reconstruct(self, X: pd.DataFrame) -> pd.DataFrame: ...
    @overload
    def reconstruct(self, X: Sequence[pd.DataFrame]) -> list[pd.DataFrame]: ...
    @overload
    def reconstruct(self, X: Sequence[NDArray[Any]]) -> list[NDArray[np.floating]]: ...
    @overload
    def reconstruct(self, X: Any) -> NDArray[np.floating]: ...
    def reconstruct(self, X: Any) -> Rows:
        """Return what the longest member expects in every row and channel, in the sensors' units; shaped like `X`."""
        check_is_fitted(self, "model_")
        ensemble = self.model_.ensemble
        return self._for_each(X, partial(by_segment, partial(expected_values, ensemble, ensemble.longest)))

    @overload
    def denoise(self, X: pd.DataFrame, *, noise: Any = None) -> pd.DataFrame: ...
    @overload
    def denoise(self, X: Sequence[pd.DataFrame], *, noise: Any = None) -> list[pd.DataFrame]: ...
    @overload
    def denoise(self, X: Sequence[NDArray[Any]], *, noise: Any = None) -> list[NDArray[np.floating]]: ...
    @overload
    def denoise(self, X: Any, *, noise: Any = None) -> NDArray[np.floating]: ...
    def denoise(self, X: Any, *, noise: Any = None) -> Rows:
        """Rows drawn towards what the longest member makes of them, in the sensors' units; shaped like `X`.

        Missing values become what is expected. Switches, which no network sees, and constant channels stay as they are.

        Parameters
        ----------
        X
            Noisy rows.
        noise
            Standard deviation of the noise in the sensors' units: one number, or one for each channel. `None`
            estimates it for each channel from how much the error of these rows exceeds the usual one. A stretch
            that is unlike those in training looks noisy, too.
        """
        check_is_fitted(self, "model_")
        ensemble, known = self.model_.ensemble, noise_by_channel(noise, self.n_features_in_)
        cleaned = partial(cleaned_values, ensemble, ensemble.longest, noise=known, left=self.codes_.left_by_row)
        return self._for_each(X, partial(by_segment, cleaned))

    def transform(self, X: Any) -> FloatArray:
        """Return the latent code of the window that ends in each row, `(n_timesteps, latent_dim_)`.

        Codes are means if the bottleneck is Gaussian. Fleets are concatenated.
        """
        return self.encode(X)

    def inverse_transform(self, codes: Any) -> FloatArray:
        """Return the windows `(n, window_size_, n_channels)` of codes, in the sensors' units; switches are NaN."""
        check_is_fitted(self, "model_")
        ensemble = self.model_.ensemble
        return windows_of(ensemble, ensemble.longest, checked_codes(codes, self.latent_dim_))

    def encode(self, X: Any) -> FloatArray:
        """Return `transform(X)`, but always as an array, whatever `set_output` says."""
        entities, _ = self._checked(X)
        ensemble = self.model_.ensemble
        return np.concatenate([row_codes(ensemble, ensemble.longest, self._grid(entity)) for entity in entities])

    def decode(self, codes: Any) -> FloatArray:
        """Return `inverse_transform(codes)`."""
        return self.inverse_transform(codes)

    def sample(self, n: int, *, noise: bool = True, random_state: Any = None) -> FloatArray:
        """Return new windows `(n, window_size_, n_channels)` of a variational detector, in the sensors' units.

        Codes are drawn as those of the training windows are spread (the aggregated posterior, as a mixture of
        Gaussians), which is closer to them than the prior.

        Parameters
        ----------
        n
            Number of windows.
        noise
            Add the usual reconstruction error of each sensor as noise; without it, windows are as smooth as
            reconstructions.
        random_state
            Int, RandomState instance or None; the same number gives the same windows.

        Raises
        ------
        ParameterError
            If the bottleneck is deterministic.
        """
        check_is_fitted(self, "model_")
        rng = generator(random_state)
        drawn = self.decode(drawn_codes(self.codes_, n, rng))
        return with_noise(self.model_.ensemble, drawn, self.codes_.left, rng) if noise else drawn

    def interpolate(self, a: Any, b: Any, steps: int) -> FloatArray:
        """Return windows between the codes of two, `(steps, window_size_, n_channels)`, with both ends rebuilt.

        `a` and `b` are one window each, `(window_size_, n_channels)`.
        """
        check_is_fitted(self, "model_")
        ends = []
        for name, one in (("a", a), ("b", b)):
            codes = self.encode(one)
            if len(codes) != self.window_size_:
                raise DataError(
                    f"`{name}` has {len(codes)} rows; pass one window of `window_size_` = {self.window_size_}"
                )
            ends.append(codes[-1])
        return self.decode(codes_between(ends[0], ends[1], steps))

    def compression(self) -> Compression:
        """Return how much smaller codes are than windows, and what that costs on rows that were not trained on."""
        check_is_fitted(self, "model_")
        return self.codes_.compression

    def advice(self) -> Advice:
        """Return what codes lose by their length, and what could be better about code and data; `print` shows it."""
        check_is_fitted(self, "model_")
        return advise(self.codes_.bottleneck)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything needed to score into one file; an existing file stays intact until the new one is whole."""
        check_is_fitted(self, "model_")
        tensors: Arrays = {}
        model = self.model_.pack(tensors)
        model["fitted"]["rejected_"] = self.rejected_
        reports = [asdict(report) for report in self.fit_reports_]
        own = {"named_channels": hasattr(self, "feature_names_in_"), "fit_reports": reports}
        write_model(path, tensors, {**pack_detector("AnomalyDetector", self, self.codes_, tensors), **model, **own})

    @property
    def threshold_(self) -> float:
        return self.learned_threshold_.value

    @property
    def offset_(self) -> float:
        return -self.threshold_

    @property
    def learned_threshold_(self) -> Threshold:
        return self.thresholds_.settled

    @property
    def thresholds_(self) -> ThresholdSet:
        return self.model_.thresholds

    @property
    def calibration_(self) -> CalibrationScores:
        """Scores of normal rows that the thresholds were learned from."""
        return self.model_.calibration

    @property
    def lag_(self) -> int:
        return self.model_.lag

    @property
    def period_(self) -> float | None:
        return self.model_.period

    @property
    def channels_(self) -> list[str]:
        """Names of the channels; `x0`, `x1`, … when fitted on an array."""
        return list(self.model_.channels)

    @property
    def units_(self) -> dict[str, str]:
        """Unit by channel."""
        return dict(self.model_.units)

    @property
    def data_hash_(self) -> str:
        """SHA-256 of the training data."""
        return self.model_.data_hash

    @property
    def window_size_(self) -> int:
        return int(self.model_.ensemble.longest.window_size)

    @property
    def latent_dim_(self) -> int:
        return code_length(self.model_.ensemble.longest)

    @property
    def receptive_field_(self) -> int:
        """Rows that one feature of the longest member's encoder depends on: all of a window, unless convolutional."""
        member = self.model_.ensemble.longest
        return member.options.receptive_field((member.window_size, self.n_features_in_))

    @property
    def _n_features_out(self) -> int:
        return self.latent_dim_

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _checked(self, X: Any, excluded: Any = None) -> tuple[list[Entity], bool]:
        check_is_fitted(self, "model_")
        entities, is_fleet = checked_entities(self, X, excluded, reset=False)
        for entity in entities:
            check_period(entity.index, self.period_)
        return with_off_rows(entities, self.model_.running, self.channels_), is_fleet

    def _grid(self, entity: Entity) -> GridSeries:
        return lay_out(entity, period=self.model_.period, max_fill=self.model_.max_fill)

    def _for_each(self, X: Any, answer: Callable[[GridSeries], NDArray[np.floating]]) -> Rows:
        """Answers `(n_timesteps, n_channels)` for each table, shaped and indexed like it."""
        entities, is_fleet = self._checked(X)
        found: Any = [like(entity, answer(self._grid(entity))) for entity in entities]
        return cast(Rows, found if is_fleet else found[0])

    def _run(self, entity: Entity, name: str, rules: EventRules | None, adapt: bool) -> DetectionRun:
        return DetectionRun(self.model_, entity, self._grid(entity), rules or EventRules(), name=name, adapt=adapt)
