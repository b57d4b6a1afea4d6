"""Arithmetic of a stack of strided convolutions: sides and reach. Nothing here needs torch."""

from __future__ import annotations

__all__ = ["receptive_field", "stages"]


def stages(sides: tuple[int, ...], n_blocks: int) -> list[tuple[int, ...]]:
    """Return the sides before the first stage and after each one; stages stop before a side gets shorter than two.

    Examples
    --------
    >>> stages((33,), 2)
    [(33,), (17,), (9,)]
    """
    found = [sides]
    while len(found) <= n_blocks and min(found[-1]) >= 4:
        found.append(tuple((side + 1) // 2 for side in found[-1]))
    return found


def receptive_field(sides: tuple[int, ...], n_blocks: int, kernel_size: int) -> int:
    """Return the time steps, or pixels a side, that one feature of the last stage depends on.

    Each stage's stride is 2, so a kernel of stage i (from 0) reaches over (kernel_size − 1) · 2^i inputs.

    Examples
    --------
    >>> receptive_field((64,), n_blocks=2, kernel_size=5)
    13
    """
    reach: int = 2 ** (len(stages(sides, n_blocks)) - 1) - 1
    return 1 + (kernel_size - 1) * reach
