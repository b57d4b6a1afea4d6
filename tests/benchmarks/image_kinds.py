"""The kinds of image detector that the benchmarks compare: parameters by name."""

from __future__ import annotations

from typing import Any

from tsae.detection.recipes import RECIPES, recipe

__all__ = ["KINDS"]

KINDS: dict[str, dict[str, Any]] = {name: recipe(name) for name in RECIPES} | {
    "linear path": recipe("undercomplete", linear_path=True),
    "deep, Bernoulli": recipe("deep", loss="bernoulli"),
    "variational conv": recipe("variational", architecture="conv"),
    "variational transformer": recipe("variational", architecture="transformer"),
    "denoising conv": recipe("denoising", architecture="conv"),
    "denoising transformer": recipe("denoising", architecture="transformer"),
    "denoising, blocks": recipe("denoising", corruption="mask_blocks"),
}
"""Every recipe, and variational and denoising ones in every architecture."""
