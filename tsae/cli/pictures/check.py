"""`tsae check` on a folder of pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsae.cli.console import results
from tsae.cli.tables import facts_table, text_table

if TYPE_CHECKING:
    from tsae.images.quality import FolderQuality

__all__ = ["check_pictures"]

_MOST_LISTED = 10


def check_pictures(folder: str) -> None:
    """Say what there is in a folder, and what to do about it before a model is fitted."""
    from tsae.images.quality import check_folder

    quality = check_folder(folder)
    screen = results()
    screen.print(facts_table(_facts(quality)))
    if quality.unreadable:
        rows = list(quality.unreadable.items())[:_MOST_LISTED]
        screen.print(text_table("Unreadable files", ["File", "Reason"], rows))
    for sentence in quality.advice or ("Nothing to complain of.",):
        screen.print(f"• {sentence}", markup=False, highlight=False)


def _facts(quality: FolderQuality) -> dict[str, str]:
    sizes = [f"{count:,} of {height} x {width}" for (height, width), count in quality.sizes.items()]
    more = f" and {len(sizes) - _MOST_LISTED} more sizes" if len(sizes) > _MOST_LISTED else ""
    return {
        "pictures": f"{quality.n_pictures:,}",
        "sizes": ", ".join(sizes[:_MOST_LISTED]) + more,
        "modes": ", ".join(f"{count:,} {mode}" for mode, count in quality.modes.items()),
        "unreadable": f"{len(quality.unreadable):,}",
        "duplicates": f"{sum(len(names) - 1 for names in quality.duplicates):,}",
        "blank": f"{len(quality.blank):,}",
    }
