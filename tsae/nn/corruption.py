"""Damage done to inputs while the target stays clean, and the masks behind it.

Everything works on series batches `(batch, time, channels)` and on images `(batch, channels, height, width)`.
Without a generator, torch's global one is used.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Generator, Tensor, nn

__all__ = ["GaussianNoise", "MaskPattern", "Masking", "SaltAndPepper", "covering_masks", "draw_mask"]

MaskPattern = Literal["points", "channels", "blocks"]


class GaussianNoise(nn.Module):
    """Add white noise of standard deviation `level`, in units of the input."""

    def __init__(self, level: float) -> None:
        super().__init__()
        self.level = level

    def forward(self, inputs: Tensor, generator: Generator | None = None) -> Tensor:
        noise = torch.randn(inputs.shape, generator=generator, device=_device(inputs, generator))
        return inputs + self.level * noise.to(inputs)


class Masking(nn.Module):
    """Set a share `level` of the entries to zero, which is the mean of scaled inputs. See `draw_mask`."""

    def __init__(self, pattern: MaskPattern, level: float) -> None:
        super().__init__()
        self.pattern = pattern
        self.level = level

    def forward(self, inputs: Tensor, generator: Generator | None = None) -> Tensor:
        return inputs.masked_fill(draw_mask(self.pattern, inputs, self.level, generator=generator), 0.0)


class SaltAndPepper(nn.Module):
    """Replace a share `level` of the entries by their channel's least or greatest value in the batch, one as
    likely as the other.

    Source: Vincent et al., Stacked denoising autoencoders, JMLR 2010, section 3.3.
    """

    def __init__(self, level: float) -> None:
        super().__init__()
        self.level = level

    def forward(self, inputs: Tensor, generator: Generator | None = None) -> Tensor:
        channel_dim = _channel_dim(inputs)
        others = [dim for dim in range(inputs.ndim) if dim != channel_dim]
        low, high = inputs.amin(others, keepdim=True), inputs.amax(others, keepdim=True)
        extremes = torch.where(draw_mask("points", inputs, 0.5, generator=generator), low, high)
        return torch.where(draw_mask("points", inputs, self.level, generator=generator), extremes, inputs)


def draw_mask(pattern: MaskPattern, inputs: Tensor, level: float, *, generator: Generator | None = None) -> Tensor:
    """Draw which entries of a batch are hidden: booleans shaped like `inputs`, possibly a view; do not write into it.

    Parameters
    ----------
    pattern
        "points": each entry by itself. "channels": whole channels, but never all of an input. "blocks": for
        each input one run of time steps in all channels, or one rectangle of an image. A block that reaches
        over the end goes on at the start, so every position is hidden equally often, the newest one too.
    level
        Expected share of hidden entries, in (0, 1); blocks are rounded to whole steps, from one to all but
        one.

    Examples
    --------
    >>> hidden = draw_mask("blocks", torch.zeros(5, 64, 3), 0.125, generator=Generator().manual_seed(0))
    >>> hidden[:, :, 0].sum(1).tolist()
    [8, 8, 8, 8, 8]
    """
    if pattern == "points":
        return _uniform(tuple(inputs.shape), inputs, generator) < level
    if pattern == "channels":
        hidden = _hidden_channels(inputs, level, generator)
    elif inputs.ndim == 3:
        hidden = _hidden_runs(inputs, 1, level, generator)[:, :, None]
    else:
        rows, columns = (_hidden_runs(inputs, dim, level**0.5, generator) for dim in (2, 3))
        hidden = (rows[:, :, None] & columns[:, None, :])[:, None]
    return hidden.expand(inputs.shape)


def covering_masks(
    pattern: MaskPattern, shape: tuple[int, ...], level: float, *, at_least: int = 1, generator: Generator
) -> Tensor:
    """Masks `(n_masks, *shape)` that together hide every entry of an input equally often; True is hidden.

    Entries, channels, runs of time steps or rectangles, by the `pattern` of `draw_mask`, are dealt out in random order.
    A mask hides at least one of them, and at most a share `level` of the entries. Whole rounds are dealt, so there may
    be more masks than `at_least`.

    Examples
    --------
    >>> masks = covering_masks("blocks", (10, 2), 0.25, generator=Generator().manual_seed(0))
    >>> masks.shape, masks.sum(0).unique().tolist()
    (torch.Size([5, 10, 2]), [1])
    """
    rounds: list[Tensor] = []
    while sum(map(len, rounds)) < at_least:
        rounds.append(_one_round(pattern, shape, level, generator))
    return torch.cat(rounds)


def _one_round(pattern: MaskPattern, shape: tuple[int, ...], level: float, generator: Generator) -> Tensor:
    """Masks `(n_masks, *shape)` that hide every entry once."""
    is_series = len(shape) == 2
    if pattern == "points":
        number = _dealt(math.prod(shape), level, generator).reshape(shape)
    elif pattern == "channels":
        dealt = _dealt(shape[1] if is_series else shape[0], level, generator)
        number = dealt[None, :] if is_series else dealt[:, None, None]
    elif is_series:
        number = _runs(shape[0], level, generator)[:, None]
    else:
        rows, columns = (_runs(side, level**0.5, generator) for side in shape[1:])
        number = (rows[:, None] * (columns.max() + 1) + columns)[None]
    each = torch.arange(int(number.max()) + 1).reshape(-1, *[1] * number.ndim)
    return (number == each).expand(-1, *shape)


def _dealt(n_units: int, level: float, generator: Generator) -> Tensor:
    """Number of the mask that hides each unit, `(n_units,)`: as many units a mask as `level` allows."""
    n_masks = min(n_units, math.ceil(n_units / max(1, int(level * n_units))))
    return torch.randperm(n_units, generator=generator) % n_masks


def _runs(length: int, share: float, generator: Generator) -> Tensor:
    """Number of the mask that hides each position, `(length,)`: neighbours share one, from a random start on."""
    n_masks = math.ceil(length / min(max(1, int(share * length)), max(1, length - 1)))
    start = int(torch.randint(length, (), generator=generator))
    return (torch.arange(length).roll(start) * n_masks) // length


def _hidden_channels(inputs: Tensor, level: float, generator: Generator | None) -> Tensor:
    channel_dim = _channel_dim(inputs)
    draws = _uniform((inputs.shape[0], inputs.shape[channel_dim]), inputs, generator)
    # The channel with the largest draw is hidden only if all are; then it is the one that stays.
    hidden = (draws < level).scatter(1, draws.argmax(1, keepdim=True), False)
    return hidden[:, None, :] if channel_dim == 2 else hidden[:, :, None, None]


def _hidden_runs(inputs: Tensor, dim: int, share: float, generator: Generator | None) -> Tensor:
    """One run of hidden positions along `dim` for each input, wrapped around the end: `(batch, length)`."""
    length = inputs.shape[dim]
    run = min(max(1, round(share * length)), length - 1)
    starts = (_uniform((inputs.shape[0], 1), inputs, generator) * length).long()
    return (torch.arange(length, device=inputs.device) - starts) % length < run


def _channel_dim(inputs: Tensor) -> int:
    return 2 if inputs.ndim == 3 else 1


def _uniform(shape: tuple[int, ...], inputs: Tensor, generator: Generator | None) -> Tensor:
    return torch.rand(shape, generator=generator, device=_device(inputs, generator)).to(inputs.device)


def _device(inputs: Tensor, generator: Generator | None) -> torch.device:
    """A generator draws on its own device only."""
    return inputs.device if generator is None else generator.device
