"""Images: arrays as users have them, or a folder of pictures, become `(n, channels, height, width)`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageOps

from tsae.checks import is_whole
from tsae.errors import DataError, ParameterError

__all__ = [
    "ImageScale",
    "ImageTable",
    "as_images",
    "check_images",
    "check_size",
    "images_of",
    "picture_paths",
    "read_images",
    "read_picture",
    "table_of",
]

FloatArray = NDArray[np.float32]
_MOST_CHANNELS = 4  # red, green, blue and one more
_SUFFIXES = (".png", ".jpg", ".jpeg")
_GREY_MODES = ("1", "L", "LA", "La")
_DEEP_GREY_MODES = ("I", "I;16", "I;16B", "I;16L", "F")


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
    shape = array.shape
    if len(shape) not in (3, 4):
        raise DataError(
            f"images have shape {shape}; pass (n, height, width) or (n, channels, height, width), for flat rows "
            "X.reshape(-1, height, width), for one image X[np.newaxis]"
        )
    if not all(shape):
        raise DataError(f"images have shape {shape}, which holds no pixel; pass at least one image")
    if len(shape) == 4 and shape[1] > _MOST_CHANNELS >= shape[3]:
        raise DataError(f"images (shape {shape}) seem to have their channels last; pass X.transpose(0, 3, 1, 2)")
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


class ImageTable(NamedTuple):
    """Pictures of one size and what they are called."""

    values: NDArray[Any]
    """uint8 `(n, channels, height, width)`: 1 channel if all pictures are grey, else red, green and blue. Grey
    pictures of 16 bits and more stay float32."""
    names: tuple[str, ...]
    """File names, sorted, `(n,)`."""


def read_images(
    folder: str | os.PathLike[str], *, size: Sequence[int] | None = None, channels: int | None = None
) -> ImageTable:
    """Read all PNG and JPEG files of a folder, sorted by name; other files and folders in it are left alone.

    Cameras that store a picture on its side say so in it (EXIF), and it is turned upright. Transparency is dropped.

    Parameters
    ----------
    folder
        Where the pictures are.
    size
        `(height, width)` that every picture is resized to; `None` if they all have the same size.
    channels
        1 for grey or 3 for red, green and blue, as a fitted detector needs them: grey pictures are repeated, and
        coloured ones whose colours are equal count as grey. `None` takes 3 if any picture is coloured.

    Raises
    ------
    DataError
        If the folder is missing or holds no picture, a file is unreadable or of another size than the first, or a
        picture is coloured where grey ones are needed.
    ParameterError
        If `size` is not two whole numbers of at least 1.
    """
    size = check_size(size)
    paths = picture_paths(folder)
    pictures = list(_same_sized(paths, size))
    if channels == 1:
        pictures = [_grey(picture, path) for picture, path in zip(pictures, paths, strict=True)]
    most = max(channels or 1, *(picture.shape[0] for picture in pictures))
    values = np.stack([np.broadcast_to(picture, (most, *picture.shape[1:])) for picture in pictures])
    return ImageTable(values, tuple(path.name for path in paths))


def images_of(source: Any, *, size: Sequence[int] | None = None, channels: int | None = None) -> NDArray[Any]:
    """Pictures `(n, channels, height, width)` of an array, an `ImageTable` or a folder; see `as_images`.

    `size` and `channels` are for folders, see `read_images`; arrays are taken as they are.
    """
    return table_of(source, size=size, channels=channels).values


def table_of(source: Any, *, size: Sequence[int] | None = None, channels: int | None = None) -> ImageTable:
    """The same as an `ImageTable`; pictures of an array are called by their numbers, "0" on."""
    size = check_size(size)
    if isinstance(source, str | os.PathLike):
        source = read_images(source, size=size, channels=channels)
    if isinstance(source, ImageTable):
        return ImageTable(as_images(source.values), source.names)
    images = as_images(source)
    return ImageTable(images, tuple(map(str, range(len(images)))))


def check_size(size: Sequence[int] | None) -> tuple[int, int] | None:
    """`(height, width)`, or `None` if nothing was stated; refuses everything else by name."""
    if size is None:
        return None
    sides = tuple(size)
    if len(sides) != 2 or not all(is_whole(side, 1) for side in sides):
        raise ParameterError(f"`size` (={size!r}) must be (height, width) in pixels; pass something like (64, 64)")
    return sides[0], sides[1]


def picture_paths(folder: str | os.PathLike[str]) -> list[Path]:
    """PNG and JPEG files in a folder, sorted by name; refuses a folder that is missing or has none."""
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{str(folder)!r} is not a folder; pass the folder that holds the pictures")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES and path.is_file())
    if not paths:
        raise DataError(
            f"folder {str(folder)!r} holds no picture; put PNG or JPEG files ({', '.join(_SUFFIXES)}) there"
        )
    return paths


def _same_sized(paths: list[Path], size: tuple[int, int] | None) -> Iterator[NDArray[Any]]:
    first: tuple[int, ...] | None = None
    for path in paths:
        picture = read_picture(path, size)
        first = picture.shape[1:] if first is None else first
        if picture.shape[1:] != first:
            raise DataError(
                f"{str(path)!r} is {picture.shape[1]} x {picture.shape[2]} pixels (height x width), {paths[0].name!r} "
                f"is {first[0]} x {first[1]}; pass `size`=(height, width) to resize all"
            )
        yield picture


def _grey(picture: NDArray[Any], path: Path) -> NDArray[Any]:
    if picture.shape[0] > 1 and (picture != picture[:1]).any():
        raise DataError(
            f"picture {str(path)!r} is coloured, the detector was fitted on grey ones; convert it to grey, or fit on "
            "coloured pictures"
        )
    return picture[:1]


def read_picture(path: Path, size: tuple[int, int] | None = None) -> NDArray[Any]:
    """One picture, `(channels, height, width)`, resized if `size` says so.

    Raises
    ------
    DataError
        If the file is unreadable.
    """
    try:
        with Image.open(path) as file:
            picture = _upright(file)
    except (OSError, Image.DecompressionBombError, SyntaxError, ValueError) as error:
        raise DataError(f"cannot read picture {str(path)!r} ({error}); repair it or move it away") from error
    if size is not None:
        picture = picture.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    array = np.asarray(picture)
    return array[np.newaxis] if array.ndim == 2 else array.transpose(2, 0, 1)


def _upright(file: Image.Image) -> Image.Image:
    """The picture as it should be seen, in grey (8 bit or more) or red, green and blue."""
    picture = ImageOps.exif_transpose(file)
    if picture.mode in _GREY_MODES:
        return picture.convert("L")
    if picture.mode in _DEEP_GREY_MODES:
        return picture.convert("F")
    return picture.convert("RGBA").convert("RGB")  # a palette may be transparent
