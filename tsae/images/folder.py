"""Folders of pictures."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from tsae.errors import DataError, ParameterError
from tsae.images.arrays import as_images

__all__ = ["ImageTable", "images_of", "read_images"]

_SUFFIXES = (".png", ".jpg", ".jpeg")
_GREY_MODES = ("1", "L", "LA", "La")
_DEEP_GREY_MODES = ("I", "I;16", "I;16B", "I;16L", "F")


class ImageTable(NamedTuple):
    """Pictures of one size and what they are called."""

    values: NDArray[Any]
    """uint8 `(n, channels, height, width)`: 1 channel if all pictures are grey, else red, green and blue. Grey
    pictures of 16 bits and more stay float32."""
    names: tuple[str, ...]
    """File names, sorted, `(n,)`."""


def read_images(folder: str | os.PathLike[str], *, size: tuple[int, int] | None = None) -> ImageTable:
    """Read all PNG and JPEG files of a folder, sorted by name; other files and folders in it are left alone.

    Cameras that store a picture on its side say so in it (EXIF), and it is turned upright. Transparency is dropped.

    Parameters
    ----------
    folder
        Where the pictures are.
    size
        `(height, width)` that every picture is resized to; `None` if they all have the same size.

    Raises
    ------
    DataError
        If the folder is missing or holds no picture, or a file is unreadable or of another size than the first.
    ParameterError
        If `size` is not two whole numbers of at least 1.
    """
    if size is not None and (len(size) != 2 or not all(isinstance(side, int) and side >= 1 for side in size)):
        raise ParameterError(f"`size` (={size!r}) must be (height, width) in pixels; pass something like (64, 64)")
    paths = _pictures(Path(folder))
    pictures = list(_same_sized(paths, size))
    channels = max(picture.shape[0] for picture in pictures)
    values = np.stack([np.broadcast_to(picture, (channels, *picture.shape[1:])) for picture in pictures])
    return ImageTable(values, tuple(path.name for path in paths))


def images_of(source: Any) -> NDArray[Any]:
    """Pictures `(n, channels, height, width)` of an array, an `ImageTable` or a folder; see `as_images`."""
    if isinstance(source, str | os.PathLike):
        source = read_images(source)
    return as_images(source.values if isinstance(source, ImageTable) else source)


def _pictures(folder: Path) -> list[Path]:
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
        picture = _read(path, size)
        first = picture.shape[1:] if first is None else first
        if picture.shape[1:] != first:
            raise DataError(
                f"{str(path)!r} is {picture.shape[1]} x {picture.shape[2]} pixels (height x width), {paths[0].name!r} "
                f"is {first[0]} x {first[1]}; pass `size`=(height, width) to resize all"
            )
        yield picture


def _read(path: Path, size: tuple[int, int] | None) -> NDArray[Any]:
    """One picture, `(channels, height, width)`."""
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
