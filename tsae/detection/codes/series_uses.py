"""What people do with the codes of windows: the part of `AnomalyDetector` that works on its longest member."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from tsae.detection.codes.uses import CodesMixin, noise_by_channel
from tsae.detection.series_estimator import SeriesEstimator
from tsae.errors import DataError
from tsae.scoring.rebuilding import cleaned_values, code_length, expected_values, row_codes, windows_of, with_noise
from tsae.scoring.whole_series import score_grid

__all__ = ["SeriesUses"]

FloatArray = NDArray[np.float64]
Rows = NDArray[np.floating]


class SeriesUses(CodesMixin, SeriesEstimator):
    """Codes, reconstructions and cleaned rows of an estimator of series."""

    @property
    def window_size_(self) -> int:
        """Rows a window of the longest member."""
        return int(self._ensemble.longest.window_size)

    @property
    def latent_dim_(self) -> int:
        """Length of the longest member's code."""
        return code_length(self._ensemble.longest)

    @property
    def receptive_field_(self) -> int:
        """Rows that one feature of the longest member's encoder depends on: all of a window, unless convolutional."""
        member = self._ensemble.longest
        return member.options.receptive_field((member.window_size, self.n_features_in_))

    def errors(self, X: Any) -> Any:
        """Error of every row and channel, divided by the channel's usual error: 1 is usual, NaN missing.

        Shaped and indexed like `X` (a DataFrame if `X` is one); a list for a fleet.
        """
        entities, is_fleet = self._checked(X)
        tables = [
            self._like(entity, score_grid(self._ensemble, self._grid(entity), lag=self.lag_, with_errors=True).errors)
            for entity in entities
        ]
        return tables if is_fleet else tables[0]

    def reconstruct(self, X: Any) -> Any:
        """What the longest member expects in every row and channel, in the sensors' units; shaped like `X`."""
        return self._each_segment(X, lambda values: expected_values(self._ensemble, self._ensemble.longest, values))

    def denoise(self, X: Any, *, noise: Any = None) -> Any:
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
        known = noise_by_channel(noise, self.n_features_in_)
        left = self.codes_.left_by_row
        return self._each_segment(
            X,
            lambda values: cleaned_values(self._ensemble, self._ensemble.longest, values, noise=known, left=left),
        )

    def _each_segment(self, X: Any, answer: Callable[[Rows], FloatArray]) -> Any:
        """Answers for the rows of every segment, shaped like `X`."""
        entities, is_fleet = self._checked(X)
        tables = []
        for entity in entities:
            grid = self._grid(entity)
            parts = [answer(grid.values[start:stop]) for start, stop in grid.segments]
            tables.append(self._like(entity, np.concatenate(parts)[grid.rows]))
        return tables if is_fleet else tables[0]

    def _encoded(self, X: Any) -> FloatArray:
        entities, _ = self._checked(X)
        return np.concatenate(
            [row_codes(self._ensemble, self._ensemble.longest, self._grid(entity)) for entity in entities]
        )

    def _decoded(self, codes: NDArray[np.float32]) -> FloatArray:
        return windows_of(self._ensemble, self._ensemble.longest, codes)

    def _code_of(self, one: Any, name: str) -> FloatArray:
        codes = self._encoded(one)
        if len(codes) != self.window_size_:
            raise DataError(f"`{name}` has {len(codes)} rows; pass one window of `window_size_` = {self.window_size_}")
        code: FloatArray = codes[-1]
        return code

    def _with_noise(self, inputs: FloatArray, rng: np.random.Generator) -> FloatArray:
        return with_noise(self._ensemble, inputs, self.codes_.left, rng)
