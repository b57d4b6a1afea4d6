"""Public sets of labelled pictures: scikit-learn's digits, which are here, and others, which are downloaded."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsae.errors import DataError, ParameterError
from tsae.images.download import cache_folder, fetch, read_idx
from tsae.series.bundled import bundled_folder

__all__ = ["ImageSet", "image_dataset", "image_datasets"]

_TRAINING_DIGITS = 2 / 3  # scikit-learn does not split them


@dataclass(frozen=True)
class ImageSet:
    """Pictures `(n, height, width)` in their own values, and what each shows, whole numbers `(n,)`."""

    train: NDArray[Any]
    train_labels: NDArray[np.int64]
    test: NDArray[Any]
    test_labels: NDArray[np.int64]


def image_datasets() -> tuple[str, ...]:
    """Names that `image_dataset` knows.

    >>> image_datasets()
    ('digits', 'mnist', 'fashion-mnist')
    """
    return "digits", *_catalogue()


def image_dataset(name: str = "digits", *, folder: str | os.PathLike[str] | None = None) -> ImageSet:
    """Load a set of labelled pictures; all but "digits" are downloaded on first use.

    Parameters
    ----------
    name
        One of `image_datasets()`.
    folder
        Where downloads are kept, each set in a folder of its own; `None` takes `tsae` in the user's cache.

    Raises
    ------
    ParameterError
        If there is no set of that name.
    DataError
        If a file cannot be downloaded, or is not the one that the catalogue names by its SHA-256.
    OutputError
        If the folder cannot be written.

    Examples
    --------
    >>> digits = image_dataset("digits")
    >>> digits.train.shape, digits.test.shape
    ((1198, 8, 8), (599, 8, 8))
    """
    if name == "digits":
        return _digits()
    known = _catalogue()
    if name not in known:
        raise ParameterError(
            f"`name` (={name!r}) is not a set of pictures; choose one of {', '.join(image_datasets())}"
        )
    return _fetched(known[name], (cache_folder() if folder is None else Path(folder)) / name)


def _digits() -> ImageSet:
    from sklearn.datasets import load_digits

    data = load_digits()
    images, labels = data.images.astype(np.float32), data.target.astype(np.int64)
    n = round(_TRAINING_DIGITS * len(images))
    return ImageSet(images[:n], labels[:n], images[n:], labels[n:])


def _fetched(entry: dict[str, Any], folder: Path) -> ImageSet:
    parts = {}
    for part, file in entry["files"].items():
        urls = [url + file["name"] for url in entry["urls"]]
        parts[part] = read_idx(fetch(urls, folder / file["name"], sha256=file["sha256"]))
    for half in ("train", "test"):
        images, labels = parts[f"{half}_images"], parts[f"{half}_labels"]
        if images.ndim != 3 or labels.shape != images.shape[:1]:
            raise DataError(f"{half} images {images.shape} and labels {labels.shape} do not belong together")
    return ImageSet(
        parts["train_images"],
        parts["train_labels"].astype(np.int64),
        parts["test_images"],
        parts["test_labels"].astype(np.int64),
    )


def _catalogue() -> dict[str, Any]:
    catalogue: dict[str, Any] = json.loads((bundled_folder("images", "catalogue.json") / "catalogue.json").read_text())
    return catalogue
