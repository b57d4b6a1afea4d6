"""`AnomalyDetector`: scikit-learn's outlier estimator for sensor tables."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, Self, overload

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OutlierMixin
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
    entity_names,
    lay_out,
    without_suspicious_rows,
)
from tsae.detection.labels.checks import check_label_parameters, labels_of_parts
from tsae.detection.labels.series import tuned_thresholds, with_label_classifier, without_anomalies
from tsae.detection.parameters.series import series_options
from tsae.detection.recalibration import SeriesThresholds
from tsae.detection.result import Detection
from tsae.detection.saving import Arrays, pack_codes, package_versions, plain_parameters
from tsae.fitting.calibration import held_out_scores
from tsae.fitting.training_rows import used_spans
from tsae.model.fitted import FittedModel
from tsae.scoring.whole_series import score_grid
from tsae.series.clock import infer_clock
from tsae.series.grid import GridSeries
from tsae.store import write_model

__all__ = ["AnomalyDetector"]

FloatArray = NDArray[np.float64]


class AnomalyDetector(OutlierMixin, SeriesUses, SeriesThresholds, BaseEstimator):  # type: ignore[misc]
    """Learn what normal rows of a sensor table look like, and flag rows that an autoencoder cannot rebuild.

    Tables are numpy arrays or DataFrames `(n_timesteps, n_channels)`, or a list of them for a fleet. NaN means
    "not measured" and is masked. A DataFrame with a time index is laid out on its clock: gaps of up to `max_fill`
    rows are bridged, longer ones split the series.

    Parameters
    ----------
    preset : {"alone", "fast", "balanced", "best"}
        Which members stand behind the score when `window_size` is "auto": "alone" has networks that rebuild windows,
        "balanced" adds networks that predict hidden blocks of a window from the rest, "fast" has both kinds, trains the
        first for a third of the steps and keeps the second linear; "best" is "balanced" with networks of a second
        architecture beside those that rebuild windows, at two and a half times the cost: it gains where the two see
        different faults, and in mean over real series is a tie.
    architecture : {"dense", "conv", "transformer"}
        Kind of the encoder/decoder pair.
    window_size : "auto", int or list of int
        Rows a window, at least 4; several make as many members behind one score. "auto" takes 16 and 64, for one
        channel also 100, shorter ones for short series.
    latent_dim : "auto" or int
        Length of the code. "auto" takes as many principal components as explain 95 % of the windows' variance for
        the linear path, and 16 numbers for the network beside it.
    linear_path : bool
        Add the network's output to a principal-component reconstruction, so that it only learns the rest.
    hidden, decoder_hidden : tuple of int or None
        Widths of the dense encoder's layers, and of the decoder's. `None` takes them from the window, and mirrors them.
    n_blocks, width, n_heads, kernel_size : int
        Strided stages (conv) or stacked blocks (transformer); channels of the first stage or numbers a token; attention
        heads (transformer); time steps of a kernel (conv).
    activation : {"auto", "gelu", "relu", "tanh", "sigmoid", "silu"}
        Of the hidden layers; "auto" takes "gelu", and "sigmoid" with pre-training.
    dropout : float
        Share of hidden units dropped in training.
    bottleneck : {"deterministic", "gaussian"}
        "gaussian" makes the autoencoder variational.
    kl_weight, kl_warm_up : "auto" or float, float
        Weight of its KL divergence, and share of the steps over which it rises from 0. "auto" takes 1 for
        loss="gaussian" and 0.05 otherwise; with "l2" it is twice the variance of the noise.
    corruption : None, "gaussian", "mask_points", "mask_channels", "mask_blocks" or "salt_pepper"
        What is done to inputs in training while the target stays clean (a denoising autoencoder).
    corruption_level : float
        Standard deviation of the noise, or share of hidden entries.
    loss : {"l2", "l1", "huber", "gaussian"}
        What the network minimises. (A Bernoulli likelihood needs values in [0, 1]; sensors are standardised.)
    variance : "learned" or float
        Of loss="gaussian": learned for every value, or fixed, 1 being a channel's own variance.
    sparsity, contraction : float
        Weights of the mean absolute code, and of the squared norm of the encoder's Jacobian.
    pretraining : {None, "rbm"}
        "rbm" starts a dense network, without linear path, from a stack of restricted Boltzmann machines.
    rbm : dict or None
        How these are trained: `n_steps` (else `max_steps`, or 1000), `n_gibbs` (the k of CD-k), `persistent`,
        `momentum`, `weight_decay`, `learning_rate`, `batch_size`; see `tsae.nn.rbm_options`.
    score_by : {"auto", "error", "probability", "elbo", "masked"}
        What is anomalous in a window rebuilt as a whole: the squared error; improbability under `loss`; the negative
        evidence lower bound; the error where masks as in `corruption` hide the entry. "auto": "elbo" if variational,
        else "error".
    n_samples : int
        Draws from the posterior for a variational "probability" or "elbo", or least masks.
    max_steps : "auto" or int
        Most training steps a member; early stopping may end before.
    batch_size : int
        Windows a step.
    learning_rate : float
        Peak of the one-cycle schedule.
    held_out : float
        Share of the training rows, the last in time, that no network is trained on: they choose the weights, the
        scale of the score and the threshold.
    robust : bool
        Leave out training rows that are likely to be faulty (`rejected_`), if the table may hold unlabelled faults.
    threshold : {"pot", "quantile", "mad", "conformal", "spot", "dspot"} or float
        How the threshold is learned, or the threshold itself.
    false_alarm_rate : float or str
        The budget of false alarms. A count, such as "1/week" or "2 per 10000 rows", is one of alarms: runs of flagged
        rows. A share, such as 0.001 or "0.1%", is one of flagged rows; `detect` keeps it on the unsmoothed score.
    label_classifier : bool
        Whether `labels` given to `fit` train a small classifier on codes and errors too, whose evidence −log(1 − p)
        joins the score. Such a detector scores tables, not streams.
    label_beta : float
        Labels choose the threshold with the best F-beta: recall counts as much as `label_beta`² times precision.
    label_cost : float or None
        Cost of a missed anomaly in false alarms; labels then choose the threshold that costs least, instead.
    lag : "auto" or int
        Rows after a row that its score may depend on; 0 answers at once. "auto" takes all that helps (`lag_`).
    max_fill : int
        Longest gap, in rows, that windows may cross.
    accelerator, devices, precision
        Passed to Lightning's `Trainer`.
    random_state : int, RandomState instance or None
        Source of all randomness; the same number gives the same model on the same machine.

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
        preset: str = "balanced",
        architecture: str = "dense",
        window_size: str | int | Sequence[int] = "auto",
        latent_dim: str | int = "auto",
        linear_path: bool = True,
        hidden: Sequence[int] | None = None,
        decoder_hidden: Sequence[int] | None = None,
        n_blocks: int = 2,
        width: int = 32,
        n_heads: int = 4,
        kernel_size: int = 5,
        activation: str = "auto",
        dropout: float = 0.0,
        bottleneck: str = "deterministic",
        kl_weight: str | float = "auto",
        kl_warm_up: float = 0.3,
        corruption: str | None = None,
        corruption_level: float = 0.1,
        loss: str = "l2",
        variance: str | float = "learned",
        sparsity: float = 0.0,
        contraction: float = 0.0,
        pretraining: str | None = None,
        rbm: Mapping[str, Any] | None = None,
        score_by: str = "auto",
        n_samples: int = 8,
        max_steps: str | int = "auto",
        batch_size: int = 128,
        learning_rate: float = 2e-3,
        held_out: float = 0.15,
        robust: bool = False,
        threshold: str | float = "pot",
        false_alarm_rate: float | str = "1 per 10000 rows",
        label_classifier: bool = False,
        label_beta: float = 1.0,
        label_cost: float | None = None,
        lag: str | int = "auto",
        max_fill: int = 3,
        accelerator: str = "cpu",
        devices: int = 1,
        precision: str = "32-true",
        random_state: Any = None,
    ) -> None:
        self.preset, self.architecture, self.window_size = preset, architecture, window_size
        self.latent_dim, self.linear_path = latent_dim, linear_path
        self.hidden, self.decoder_hidden = hidden, decoder_hidden
        self.n_blocks, self.width, self.n_heads, self.kernel_size = n_blocks, width, n_heads, kernel_size
        self.activation, self.dropout = activation, dropout
        self.bottleneck, self.kl_weight, self.kl_warm_up = bottleneck, kl_weight, kl_warm_up
        self.corruption, self.corruption_level = corruption, corruption_level
        self.loss, self.variance, self.sparsity, self.contraction = loss, variance, sparsity, contraction
        self.pretraining, self.rbm, self.score_by, self.n_samples = pretraining, rbm, score_by, n_samples
        self.max_steps, self.batch_size, self.learning_rate = max_steps, batch_size, learning_rate
        self.held_out, self.robust = held_out, robust
        self.threshold = threshold
        self.false_alarm_rate = false_alarm_rate
        self.label_classifier, self.label_beta, self.label_cost = label_classifier, label_beta, label_cost
        self.lag = lag
        self.max_fill = max_fill
        self.accelerator, self.devices, self.precision = accelerator, devices, precision
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
        options = series_options(self.get_params(), seed=seed)
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

    @overload
    def detect(
        self,
        X: Sequence[pd.DataFrame] | Sequence[NDArray[Any]],
        *,
        excluded: Any = None,
        rules: EventRules | None = None,
        adapt: bool = True,
        entity: Sequence[str] | None = None,
    ) -> list[Detection]: ...
    @overload
    def detect(
        self,
        X: Any,
        *,
        excluded: Any = None,
        rules: EventRules | None = None,
        adapt: bool = True,
        entity: str | None = None,
    ) -> Detection: ...
    def detect(
        self,
        X: Any,
        *,
        excluded: Any = None,
        rules: EventRules | None = None,
        adapt: bool = True,
        entity: str | Sequence[str] | None = None,
    ) -> Detection | list[Detection]:
        """Return scores, labels and events of a table, or a list of them for a fleet.

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
        self,
        X: Any,
        *,
        excluded: Any = None,
        rules: EventRules | None = None,
        adapt: bool = True,
        entity: str = "",
    ) -> DetectionRun:
        """`detect` for one table whose results come part by part, so that they need not be in memory together."""
        (rows,), _ = self._checked(X, excluded)
        return self._run(rows, entity, rules, adapt)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything needed to score into one file; an existing file stays intact until the new one is whole."""
        check_is_fitted(self, "model_")
        tensors: Arrays = {}
        model = self.model_.pack(tensors)
        manifest = {
            "kind": "AnomalyDetector",
            "parameters": plain_parameters(self.get_params()),
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

    def _run(self, entity: Entity, name: str, rules: EventRules | None, adapt: bool) -> DetectionRun:
        return DetectionRun(self.model_, entity, self._grid(entity), rules or EventRules(), name=name, adapt=adapt)
