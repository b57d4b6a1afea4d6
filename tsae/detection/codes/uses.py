"""What people do with codes, the same for series and images: compress, rebuild, generate, interpolate."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_array, check_is_fitted

from tsae.checks import is_whole, plain
from tsae.detection.codes.bottleneck import Advice, advise
from tsae.detection.codes.cloud import CodeFacts, Compression
from tsae.errors import DataError, ParameterError

__all__ = ["CodesMixin", "noise_by_channel"]


class CodesMixin(ClassNamePrefixFeaturesOutMixin, TransformerMixin):  # type: ignore[misc]
    """Methods of an estimator that says how to get from an input to its code and back.

    An *input* is what one code stands for: an image `(channels, height, width)`, or a window
    `(window_size_, n_channels)` of a series.
    """

    codes_: CodeFacts
    """Measured in `fit`."""

    @property
    @abstractmethod
    def latent_dim_(self) -> int:
        """Length of a code."""

    @abstractmethod
    def _encoded(self, X: Any) -> NDArray[Any]:
        """Codes of whatever the estimator takes, which is checked."""

    @abstractmethod
    def _decoded(self, codes: NDArray[np.float32]) -> NDArray[Any]:
        """Inputs of checked codes, in the user's values."""

    @abstractmethod
    def _code_of(self, one: Any, name: str) -> NDArray[Any]:
        """Code `(latent_dim,)` of a single input, which is checked; `name` is the argument's."""

    def transform(self, X: Any) -> NDArray[Any]:
        """Latent codes: of each image, or of the window that ends in each row, `(n, latent_dim_)`.

        They are means if the bottleneck is Gaussian.
        """
        return self._encoded(X)

    def inverse_transform(self, codes: Any) -> NDArray[Any]:
        """Codes `(n, latent_dim_)` → images `(n, channels, height, width)`, or windows `(n, window_size_, n_channels)`.

        In the values of the images, in the units of the sensors. Switches, which no network sees, are NaN.
        """
        check_is_fitted(self, "model_")
        codes = check_array(codes, dtype=np.float32)
        if codes.shape[1] != self.latent_dim_:
            raise DataError(
                f"codes have {codes.shape[1]} columns, this detector's have {self.latent_dim_} (`latent_dim_`); pass "
                "what its `transform` returned"
            )
        return self._decoded(codes)

    def encode(self, X: Any) -> NDArray[Any]:
        """Codes `(n_rows or n_images, latent_dim_)`: `transform`, but always an array, whatever `set_output` says."""
        return self._encoded(X)

    def decode(self, codes: Any) -> NDArray[Any]:
        """What codes stand for: `inverse_transform` under its name among autoencoders, with its shapes."""
        return self.inverse_transform(codes)

    def sample(self, n: int, *, noise: bool = True, random_state: Any = None) -> NDArray[Any]:
        """New images `(n, channels, height, width)`, or windows `(n, window_size_, n_channels)`, of a variational kind.

        Codes are drawn as those of the training inputs are spread (the aggregated posterior, as a mixture of
        Gaussians), which is closer to them than the prior.

        Parameters
        ----------
        noise
            Add what the network does not rebuild, as noise of the usual size of each sensor or pixel; without it, the
            new inputs are as smooth as reconstructions.
        random_state
            Int, RandomState instance or None; the same number gives the same inputs.

        Raises
        ------
        ParameterError
            If the bottleneck is deterministic.
        """
        check_is_fitted(self, "model_")
        _check_count("n", n, 1)
        if self.codes_.cloud is None:
            raise ParameterError(
                "`bottleneck` (='deterministic') does not learn how codes are spread; fit with bottleneck='gaussian' "
                "to draw new ones"
            )
        rng = np.random.default_rng(check_random_state(random_state).randint(2**31 - 1))
        drawn = self._decoded(self.codes_.cloud.draw(int(n), rng))
        return self._with_noise(drawn, rng) if noise else drawn

    @abstractmethod
    def _with_noise(self, inputs: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
        """Inputs with noise of the usual size of what is not rebuilt."""

    def interpolate(self, a: Any, b: Any, steps: int) -> NDArray[Any]:
        """Inputs on the straight line between the codes of `a` and `b`, `(steps, ...)`, the two ends rebuilt.

        `a` and `b` are one image each, `(height, width)` or `(channels, height, width)`, or one window each,
        `(window_size_, n_channels)`.
        """
        check_is_fitted(self, "model_")
        _check_count("steps", steps, 2)
        first, last = self._code_of(a, "a"), self._code_of(b, "b")
        share = np.linspace(0, 1, steps)[:, np.newaxis]
        return self._decoded(((1 - share) * first + share * last).astype(np.float32))

    def compression(self) -> Compression:
        """How much smaller codes are than inputs, and what that costs on those the network was not trained on."""
        check_is_fitted(self, "model_")
        return self.codes_.compression

    def advice(self) -> Advice:
        """What a code leaves against its length, and whether it is too short or long, or the data too few or dirty.

        Measured in `fit`, on windows of the longest member, or on images; `print` shows it.
        """
        check_is_fitted(self, "model_")
        return advise(self.codes_.bottleneck)

    @property
    def _n_features_out(self) -> int:
        return self.latent_dim_


def _check_count(name: str, value: Any, least: int) -> None:
    value = plain(value)
    if not is_whole(value, least):
        raise ParameterError(f"`{name}` (={value!r}) must be a whole number of at least {least}")


def noise_by_channel(noise: Any, n_channels: int) -> NDArray[np.float64] | None:
    """Standard deviations `(n_channels,)` from one number or one for each channel; `None` stays.

    Raises
    ------
    ParameterError
        If it is anything else, or negative.
    """
    if noise is None:
        return None
    try:
        known = np.broadcast_to(np.asarray(noise, dtype=np.float64), (n_channels,))
    except (TypeError, ValueError):
        known = np.full(1, np.nan)
    if not (known >= 0).all() or not np.isfinite(known).all():
        raise ParameterError(
            f"`noise` (={noise!r}) must be a standard deviation of at least 0, or one for each of the {n_channels} "
            "channels; pass None to have it estimated"
        )
    return known
