"""The border for images: arrays as users have them become float32 `(n, channels, height, width)`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tsae.errors import DataError

__all__ = ["ImageScale", "as_images", "check_images"]

FloatArray = NDArray[np.float32]
_MOST_CHANNELS = 4  # red, green, blue and one more


@dataclass(frozen=True)
class ImageScale:
    """Which values of the user's images become 0 and 1.

    Values beyond them are not clipped: a picture brighter than any in training is unusual, and stays so.
    """

    low: float
    high: float

    def scaled(self, images: NDArray[Any]) -> FloatArray:
        """The user's values → the network's; training images end in [0, 1]."""
        return (np.asarray(images, dtype=np.float32) - np.float32(self.low)) / np.float32(self.width)

    def restored(self, images: NDArray[Any]) -> FloatArray:
        """The network's values → the user's."""
        return np.asarray(images, dtype=np.float32) * np.float32(self.width) + np.float32(self.low)

    @property
    def width(self) -> float:
        """What a change of 1 in the network's values is in the user's; 1 for images without any contrast."""
        return self.high - self.low or 1.0

    @classmethod
    def of(cls, images: NDArray[Any]) -> ImageScale:
        """Bytes go from 0 to 255; everything else from the least to the greatest value there is."""
        if images.dtype == np.uint8:
            return cls(0.0, 255.0)
        return cls(float(images.min()), float(images.max()))


def as_images(values: ArrayLike) -> NDArray[Any]:
    """Check pictures and bring them to `(n, channels, height, width)`, in their own values.

    Parameters
    ----------
    values
        `(n, height, width)` or `(n, channels, height, width)` of bytes or other real numbers.

    Returns
    -------
    ndarray
        uint8 if the input was, else float32; a view if that is possible.

    Raises
    ------
    DataError
        If the array has another shape, is empty, or holds anything but finite real numbers.

    Examples
    --------
    >>> as_images(np.zeros((5, 8, 8))).shape
    (5, 1, 8, 8)
    >>> as_images(np.zeros((5, 32, 32, 3)))
    Traceback (most recent call last):
    tsae.errors.DataError: images (shape (5, 32, 32, 3)) seem to have their channels last; pass X.transpose(0, 3, 1, 2)
    """
    array = _numbers(values)
    _check_layout(array.shape)
    images = array[:, np.newaxis] if array.ndim == 3 else array
    _refuse_missing(images)
    return images


def check_images(images: NDArray[Any], shape: tuple[int, int, int], scale: ImageScale) -> None:
    """Refuse images unlike those in training, which had this shape `(channels, height, width)` and scale.

    Raises
    ------
    DataError
        If the shape differs, or images are bytes where those in training lay between 0 and 1.
    """
    if images.shape[1:] != shape:
        raise DataError(
            f"images are {_named(images.shape[1:])}, in training they were {_named(shape)}; resize them, such as "
            f"with read_images(folder, size=({shape[1]}, {shape[2]})), or fit a detector for this size"
        )
    if images.dtype == np.uint8 and scale.high <= 1 < images.max():
        raise DataError(
            f"images are bytes up to {images.max()}, in training they lay between {scale.low:g} and {scale.high:g}; "
            "divide them by 255"
        )


def _numbers(values: ArrayLike) -> NDArray[Any]:
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise DataError(f"images differ in size ({error}); resize them to one size") from error
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind not in "fiub":
        raise DataError(f"images hold {array.dtype}, not real numbers; convert them, such as with X.astype('float32')")
    with np.errstate(over="ignore"):  # an overflow becomes infinity, which is refused by name
        return array.astype(np.float32, copy=False)


def _check_layout(shape: tuple[int, ...]) -> None:
    if len(shape) not in (3, 4):
        raise DataError(
            f"images have shape {shape}; pass (n, height, width) or (n, channels, height, width), for flat rows "
            "X.reshape(-1, height, width), for one image X[np.newaxis]"
        )
    if not all(shape):
        raise DataError(f"images have shape {shape}, which holds no pixel; pass at least one image")
    if len(shape) == 4 and shape[1] > _MOST_CHANNELS >= shape[3]:
        raise DataError(f"images (shape {shape}) seem to have their channels last; pass X.transpose(0, 3, 1, 2)")


def _refuse_missing(images: NDArray[Any]) -> None:
    """Name the first pixel that is NaN or infinite."""
    if images.dtype == np.uint8:
        return
    for number, image in enumerate(images):
        if not np.isfinite(image).all():
            channel, row, column = np.argwhere(~np.isfinite(image))[0]
            raise DataError(
                f"image {number} holds {image[channel, row, column]} at channel {channel}, row {row}, column "
                f"{column}; pixels must be finite: leave the image out or fill them"
            )


def _named(shape: tuple[int, ...]) -> str:
    channels, height, width = shape
    return f"{channels} x {height} x {width} (channels x height x width)"
