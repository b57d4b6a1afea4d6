"""Stacks of attention blocks: a token for each stretch of a series, or each patch of an image."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Tokens", "TransformerDecoder", "TransformerEncoder", "positional_encoding"]

_MEMORY_TOKENS = 8
_PATCHES_A_SIDE = 8
_STRETCHES = 8  # 64 time steps cost a tenth of what one token a step costs


class Tokens:
    """Cuts inputs into tokens and joins them again.

    A series `(time, channels)` has one token for each stretch of time steps (Nie et al., "A Time Series is Worth 64
    Words", ICLR 2023). An image `(channels, height, width)` has one for each square patch, in rows from the top left.
    Both are padded with zeros to whole tokens and cropped back. An input of this `shape` has `n_tokens` tokens of
    `n_values` values. `patch` is the time steps of a token, for at most 8 tokens; for an image it is the side of a
    patch in pixels, for at most 8 patches a side.

    Examples
    --------
    >>> tokens = Tokens((3, 28, 30))
    >>> tokens.patch, tokens.n_tokens, tokens.n_values
    (4, 56, 48)
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        if len(shape) == 2:
            time, channels = shape
            self.patch = math.ceil(time / _STRETCHES)
            self.n_tokens, self.n_values = math.ceil(time / self.patch), self.patch * channels
            return
        channels, height, width = shape
        self.patch = max(2, math.ceil(max(height, width) / _PATCHES_A_SIDE))
        self.grid = math.ceil(height / self.patch), math.ceil(width / self.patch)
        self.n_tokens = math.prod(self.grid)
        self.n_values = channels * self.patch**2

    def split(self, inputs: Tensor) -> Tensor:
        """Inputs `(batch, *shape)` → tokens `(batch, n_tokens, n_values)`."""
        if len(self.shape) == 2:
            padded = functional.pad(inputs, (0, 0, 0, self.n_tokens * self.patch - self.shape[0]))
            return padded.reshape(-1, self.n_tokens, self.n_values)
        channels, height, width = self.shape
        rows, columns = self.grid
        padded = functional.pad(inputs, (0, columns * self.patch - width, 0, rows * self.patch - height))
        patches = padded.reshape(-1, channels, rows, self.patch, columns, self.patch)
        return patches.permute(0, 2, 4, 1, 3, 5).reshape(-1, self.n_tokens, self.n_values)

    def join(self, tokens: Tensor) -> Tensor:
        """Tokens `(batch, n_tokens, n_values)` → inputs `(batch, *shape)`."""
        if len(self.shape) == 2:
            return tokens.reshape(-1, self.n_tokens * self.patch, self.shape[1])[:, : self.shape[0]]
        channels, height, width = self.shape
        rows, columns = self.grid
        patches = tokens.reshape(-1, rows, columns, channels, self.patch, self.patch)
        padded = patches.permute(0, 3, 1, 4, 2, 5).reshape(-1, channels, rows * self.patch, columns * self.patch)
        return padded[:, :, :height, :width]


class TransformerEncoder(nn.Module):
    """Inputs `(batch, *input_shape)` → features `(batch, out_features)`, all tokens after the last block.

    Tokens are embedded to length `width`, given sinusoidal positions, and pass `n_blocks` pre-norm blocks of
    self-attention, whose `n_heads` must divide `width`.
    """

    positions: Tensor

    def __init__(
        self,
        input_shape: tuple[int, ...],
        *,
        n_blocks: int,
        width: int,
        n_heads: int,
        activation: Callable[[], nn.Module],
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.tokens = Tokens(input_shape)
        self.out_features = self.tokens.n_tokens * width
        self.embedding = nn.Linear(self.tokens.n_values, width)
        self.register_buffer("positions", positional_encoding(self.tokens.n_tokens, width), persistent=False)
        # Built one by one: nn.TransformerEncoder would start all blocks as copies of the first.
        self.blocks = nn.Sequential(
            *(
                nn.TransformerEncoderLayer(
                    width, n_heads, 2 * width, dropout, activation(), batch_first=True, norm_first=True
                )
                for _ in range(n_blocks)
            )
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, inputs: Tensor) -> Tensor:
        embedded = self.embedding(self.tokens.split(inputs)) + self.positions
        return cast(Tensor, self.norm(self.blocks(embedded))).flatten(1)


class TransformerDecoder(nn.Module):
    """Codes `(batch, latent_dim)` → `(batch, *output_shape)`, or, with `learned_variance`, `(batch, 2, *output_shape)`.

    The code is spread over a few memory tokens. What enters the stack is a learned query for each token
    and nothing of the input, so the code is the only way through. Each of the `n_blocks` pre-norm blocks has
    masked self-attention (a token sees itself and earlier ones) and cross-attention to the memory.
    """

    causal_mask: Tensor

    def __init__(
        self,
        latent_dim: int,
        output_shape: tuple[int, ...],
        *,
        n_blocks: int,
        width: int,
        n_heads: int,
        activation: Callable[[], nn.Module],
        dropout: float = 0.0,
        learned_variance: bool = False,
    ) -> None:
        super().__init__()
        self.tokens = Tokens(output_shape)
        self.learned_variance = learned_variance
        self.memory = nn.Sequential(
            nn.Linear(latent_dim, _MEMORY_TOKENS * width), nn.Unflatten(1, (_MEMORY_TOKENS, width))
        )
        self.queries = nn.Parameter(positional_encoding(self.tokens.n_tokens, width))
        mask = nn.Transformer.generate_square_subsequent_mask(self.tokens.n_tokens)
        self.register_buffer("causal_mask", mask, persistent=False)
        self.blocks = nn.ModuleList(
            nn.TransformerDecoderLayer(
                width, n_heads, 2 * width, dropout, activation(), batch_first=True, norm_first=True
            )
            for _ in range(n_blocks)
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, (2 if learned_variance else 1) * self.tokens.n_values)

    def forward(self, code: Tensor) -> Tensor:
        memory = self.memory(code)
        rebuilt = self.queries.expand(code.shape[0], -1, -1)
        for block in self.blocks:
            rebuilt = block(rebuilt, memory, tgt_mask=self.causal_mask, tgt_is_causal=True)
        tokens = cast(Tensor, self.head(self.norm(rebuilt)))
        if not self.learned_variance:
            return self.tokens.join(tokens)
        return torch.stack([self.tokens.join(half) for half in tokens.chunk(2, dim=2)], dim=1)


def positional_encoding(n_positions: int, width: int) -> Tensor:
    """Sines and cosines of geometrically spaced wave lengths, `(n_positions, width)`.

    Source: Vaswani et al., Attention is all you need, NeurIPS 2017, section 3.5.
    """
    positions = torch.arange(n_positions, dtype=torch.float32)[:, None]
    columns = torch.arange(width)
    frequencies = 10_000.0 ** (-2 * (columns // 2) / width)
    angles = positions * frequencies
    return torch.where(columns % 2 == 0, angles.sin(), angles.cos())
