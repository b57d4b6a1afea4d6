"""What is wrong with a folder of pictures before a model is fitted on it."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from tsae.errors import DataError
from tsae.images.reading import picture_paths, read_picture

__all__ = ["FolderQuality", "check_folder"]

_FEW, _TOO_FEW = 100, 20


@dataclass(frozen=True)
class FolderQuality:
    """What there is in a folder, and what to do about it. Files are named as they are in the folder."""

    n_pictures: int
    """Readable ones."""
    sizes: dict[tuple[int, int], int]
    """How many pictures have each size `(height, width)`, the most frequent first."""
    modes: dict[str, int]
    """How many are "grey", "deep grey" (more than 8 bits) and "colour", the most frequent first."""
    unreadable: dict[str, str]
    """Files that cannot be read, with the reason."""
    duplicates: tuple[tuple[str, ...], ...]
    """Groups of files with the same pixels."""
    blank: tuple[str, ...]
    """Files whose pixels are all the same."""

    @property
    def advice(self) -> tuple[str, ...]:
        """What to do before fitting, in sentences."""
        return tuple(_advice(self))


def check_folder(folder: str | os.PathLike[str]) -> FolderQuality:
    """Read all PNG and JPEG files of a folder one by one and judge them.

    Raises
    ------
    DataError
        If the folder is missing or holds no picture.
    """
    sizes: Counter[tuple[int, int]] = Counter()
    modes: Counter[str] = Counter()
    unreadable: dict[str, str] = {}
    same: defaultdict[bytes, list[str]] = defaultdict(list)
    blank = []
    for path in picture_paths(folder):
        try:
            picture = read_picture(path)
        except DataError as error:
            # what is wrong, without the name and the way out
            unreadable[path.name] = str(error.__cause__ or error).replace(str(path), path.name)
            continue
        sizes[picture.shape[1], picture.shape[2]] += 1
        modes["colour" if len(picture) > 1 else "grey" if picture.dtype.itemsize == 1 else "deep grey"] += 1
        same[hashlib.sha256(repr(picture.shape).encode() + picture.tobytes()).digest()].append(path.name)
        if (picture == picture[:, :1, :1]).all():
            blank.append(path.name)
    duplicates = tuple(tuple(names) for names in same.values() if len(names) > 1)
    return FolderQuality(
        sizes.total(), dict(sizes.most_common()), dict(modes.most_common()), unreadable, duplicates, tuple(blank)
    )


def _advice(found: FolderQuality) -> Iterable[str]:
    if found.unreadable:
        n_unreadable = _counted(len(found.unreadable), "file")
        yield f"{n_unreadable} cannot be read: repair or move away {_listed(found.unreadable)}."
    if found.n_pictures < _TOO_FEW:
        yield f"{_counted(found.n_pictures, 'picture')} cannot show what is normal: collect {_FEW} or more."
    elif found.n_pictures < _FEW:
        yield f"{found.n_pictures} pictures are few: the threshold will be rough; collect {_FEW} or more."
    if len(found.sizes) > 1:
        height, width = next(iter(found.sizes))
        yield f"Sizes differ: resize all, such as with --size {height}x{width}, the most frequent one."
    if "deep grey" in found.modes and len(found.modes) > 1:
        yield "Pictures of 8 bits and of more are mixed, so their brightness means different things: convert them."
    elif len(found.modes) > 1:
        yield "Grey and coloured pictures are mixed: grey ones will count as coloured ones without colour."
    if found.blank:
        yield f"{_counted(len(found.blank), 'picture')} without any contrast: check {_listed(found.blank)}."
    if found.duplicates:
        n_copies = sum(len(names) - 1 for names in found.duplicates)
        yield (
            f"{_counted(n_copies, 'picture')} {'is a copy' if n_copies == 1 else 'are copies'} of others, such as "
            f"{' = '.join(found.duplicates[0][:3])}: copies that are held out make the threshold too low."
        )


def _counted(n: int, name: str) -> str:
    return f"{n:,} {name}{'' if n == 1 else 's'}"


def _listed(names: Iterable[str]) -> str:
    first, *others = names
    return f"{first} and {len(others)} more" if len(others) > 2 else ", ".join([first, *others])
