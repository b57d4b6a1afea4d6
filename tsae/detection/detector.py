"""`AnomalyDetector`: scikit-learn's outlier estimator for sensor tables."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import OutlierMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted

from tsae.alarms.distributions import fit_reference
from tsae.alarms.events.rules import EventRules
from tsae.alarms.thresholds import learn_thresholds
from tsae.checks import plain
from tsae.detection.codes.series_uses import SeriesUses
from tsae.detection.detecting import DetectionRun
from tsae.detection.inputs import (
    Entity,
    channel_names,
    check_period,
    checked_entities,
    data_hash,
    lay_out,
    without_suspicious_rows,
)
from tsae.detection.labels.checks import check_label_parameters, labels_of_parts
from tsae.detection.labels.series import tuned_thresholds, with_label_classifier, without_anomalies
from tsae.detection.parameters.groups import GroupedParameters
from tsae.detection.parameters.resolved import series_options
from tsae.detection.parameters.shared import ARCHITECTURE, HELD_OUT, LABEL_BETA, MAX_FILL, PRESET, THRESHOLD, documented
from tsae.detection.recalibration import SeriesThresholds
from tsae.detection.saving import Arrays, pack_codes, package_versions, plain_parameters
from tsae.fitting.training_rows import held_out_scores, used_spans
from tsae.model.fitted import FittedModel
from tsae.nn.options import NetworkOptions
from tsae.scoring.whole_series import score_grid
from tsae.series.clock import infer_clock
from tsae.series.grid import GridSeries
from tsae.store import write_model
from tsae.training.options import TrainingOptions

__all__ = ["AnomalyDetector"]

FloatArray = NDArray[np.float64]


@documented
class AnomalyDetector(OutlierMixin, SeriesUses, SeriesThresholds, GroupedParameters):  # type: ignore[misc]
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
    score_by : {"auto", "error", "probability", "elbo", "masked"}
        What is anomalous in a window that is rebuilt as a whole: the squared error; the negative log-likelihood under
        the loss; the negative evidence lower bound; the error of entries that the masks of `corruption` hide. "auto"
        takes "elbo" for a variational network, else "error".
    held_out : float
        Share of the training rows, the last in time, that no network is trained on. They choose the weights, the scale
        of the score and the threshold.
    robust : bool
        Leave out training rows that are likely to be faulty (`rejected_`), for tables that may hold unknown faults.
    {threshold}
    false_alarm_rate : float or str
        The budget of false alarms. A count, such as "1/week" or "2 per 10000 rows", is one of alarms: runs of flagged
        rows. A share, such as 0.001 or "0.1%", is one of flagged rows; `detect` keeps it on the unsmoothed score.
    label_classifier : bool
        Whether `labels` given to `fit` also train a small classifier on codes and errors, whose evidence −log(1 − p)
        joins the score. Such a detector scores tables, not streams.
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
        Rows that score above it are flagged (in units of −log p, higher = more anomalous).
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
    >>> [event.start in range(85, 101) and event.sensors[0].sensor for event in detector.detect(today).events]
    ['x1']
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
        units: Mapping[str, str] | None = None,
        labels: Any = None,
    ) -> Self:
        """Learn from normal rows.

        Parameters
        ----------
        X
            Table, or list of tables with the same channels (a fleet).
        y
            Ignored; scikit-learn's convention.
        excluded
            Boolean mask `(n_timesteps,)` of rows to leave out, such as maintenance; a list of masks for a fleet.
        units
            Unit by channel, kept for events and the model file.
        labels
            What is known of some rows, `(n_timesteps,)`: 1 anomalous, 0 normal, -1 or NaN unknown; a list for a fleet.
            Rows labelled anomalous are kept out of training and calibration, and if there are any, the threshold is the
            one that does best on labelled and held-out rows, unless `threshold` states a number.
        """
        learner = copy.copy(self)  # so that a failed fit leaves this one as it was
        learner._learn(X, excluded, dict(units or {}), labels)
        self.__dict__ = learner.__dict__
        return self

    def _learn(self, X: Any, excluded: Any, units: dict[str, str], labels: Any) -> None:
        from tsae.detection.codes.study import study_windows
        from tsae.fitting.build import fit_model  # loads Lightning, which scoring does without

        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        options = series_options(self.get_params(deep=False), seed=seed)
        tuning = check_label_parameters(self.label_classifier, self.label_beta, self.label_cost)
        entities, is_fleet = checked_entities(self, X, excluded, reset=True)
        period = infer_clock(entities[0].index).period
        for entity in entities:
            check_period(entity.index, period)
        laid_out = partial(lay_out, period=period, max_fill=self.max_fill)
        lengths = [len(entity.values) for entity in entities]
        known = labels_of_parts(labels, lengths, is_fleet=is_fleet)
        normal = [without_anomalies(entity, part) for entity, part in zip(entities, known, strict=True)]
        self.rejected_: list[list[list[int]]] = [[] for _ in entities]
        if self.robust:
            normal, self.rejected_ = without_suspicious_rows(normal, laid_out)
        spans = used_spans([laid_out(part) for part in normal], [part.excluded for part in normal], self.held_out)
        ensemble, self.fit_reports_ = fit_model(spans, options, random_state=seed)
        self.codes_ = study_windows(ensemble, spans, random_state=seed)
        lag = ensemble.full_lag if isinstance(self.lag, str) else min(int(self.lag), ensemble.full_lag)
        grids, honest = [laid_out(entity) for entity in entities], None
        if self.label_classifier:
            ensemble, honest = with_label_classifier(ensemble, grids, known, lag=lag)
        calibration = held_out_scores(ensemble, spans, lag=lag)
        thresholds = learn_thresholds(calibration, plain(self.threshold), plain(self.false_alarm_rate), period)
        if isinstance(self.threshold, str) and any((part == 1).any() for part in known):
            rows = (ensemble, grids, known, calibration)
            thresholds = tuned_thresholds(*rows, lag=lag, tuning=tuning, honest=honest)
        self.model_ = FittedModel(
            ensemble,
            thresholds,
            calibration,
            channel_names(self),
            units,
            period,
            lag,
            self.max_fill,
            inputs=fit_reference([span.values for span in spans]),
            data_hash=data_hash(entities),
        )

    def score_samples(self, X: Any) -> FloatArray:
        """Scores `(n_timesteps,)` in scikit-learn's sign: the lower, the more abnormal. Fleets are concatenated."""
        entities, _ = self._checked(X)
        return -np.concatenate(
            [score_grid(self._ensemble, self._grid(entity), lag=self.lag_).scores for entity in entities]
        )

    def decision_function(self, X: Any) -> FloatArray:
        """`score_samples(X) - offset_`, negative for flagged rows, `(n_timesteps,)`."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> NDArray[np.int64]:
        """1 for normal rows and -1 for flagged ones, `(n_timesteps,)`."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def detect(self, X: Any, *, excluded: Any = None, rules: EventRules | None = None, adapt: bool = True) -> Any:
        """Scores, labels and events of a table: `Detection`, or a list of them for a fleet.

        Parameters
        ----------
        X
            Table `(n_timesteps, n_channels)` with the channels of `fit`, in their units and in time order, NaN where
            missing; or a list of tables.
        excluded
            Boolean mask `(n_timesteps,)` of rows that must not alarm; a list of masks for a fleet.
        rules
            When flagged rows make an event.
        adapt
            Whether the threshold follows the scores of earlier rows; `predict` never does.

        Raises
        ------
        DataError
            If a channel is missing or holds text or infinity, times step back, or rows come at another pace.
        """
        entities, is_fleet = self._checked(X, excluded)
        found = [
            self._run(entity, rules, str(number) if is_fleet else "", adapt).whole()
            for number, entity in enumerate(entities)
        ]
        return found if is_fleet else found[0]

    def detect_in_parts(
        self, X: Any, *, excluded: Any = None, rules: EventRules | None = None, adapt: bool = True
    ) -> DetectionRun:
        """`detect` for one table whose results come part by part, so that they need not be in memory together."""
        (entity,), _ = self._checked(X, excluded)
        return self._run(entity, rules, "", adapt)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything needed to score into one file; an existing file stays intact until the new one is whole."""
        check_is_fitted(self, "model_")
        tensors: Arrays = {}
        model = self.model_.pack(tensors)
        manifest = {
            "kind": "AnomalyDetector",
            "parameters": plain_parameters(self),
            "named_channels": hasattr(self, "feature_names_in_"),
            **model,
            "fitted": model["fitted"] | {"rejected_": self.rejected_},
            "fit_reports": [asdict(report) for report in self.fit_reports_],
            "codes": pack_codes(self.codes_, tensors),
            "packages": package_versions(),
        }
        write_model(path, tensors, manifest)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _checked(self, X: Any, excluded: Any = None) -> tuple[list[Entity], bool]:
        check_is_fitted(self, "model_")
        entities, is_fleet = checked_entities(self, X, excluded, reset=False)
        for entity in entities:
            check_period(entity.index, self.period_)
        return entities, is_fleet

    def _grid(self, entity: Entity) -> GridSeries:
        return lay_out(entity, period=self.model_.period, max_fill=self.model_.max_fill)

    def _like(self, entity: Entity, table: NDArray[np.floating] | None) -> Any:
        return table if entity.columns is None else pd.DataFrame(table, index=entity.index, columns=entity.columns)

    def _run(self, entity: Entity, rules: EventRules | None, name: str, adapt: bool) -> DetectionRun:
        return DetectionRun(self.model_, entity, self._grid(entity), rules or EventRules(), name=name, adapt=adapt)
