"""The kinds of image detector that the benchmarks compare: parameters by name."""

from __future__ import annotations

from typing import Any

from tsae.detection.parameters.recipes import RECIPES, recipe

__all__ = ["KINDS"]

KINDS: dict[str, dict[str, Any]] = {name: recipe(name, "images") for name in RECIPES} | {
    "linear path": recipe("undercomplete", "images", linear_path=True),
    "deep, Bernoulli": recipe("deep", "images", loss="bernoulli"),
    "variational conv": recipe("variational", "images", architecture="conv"),
    "variational transformer": recipe("variational", "images", architecture="transformer"),
    "denoising conv": recipe("denoising", "images", architecture="conv"),
    "denoising transformer": recipe("denoising", "images", architecture="transformer"),
    "denoising, blocks": recipe("denoising", "images", corruption="mask_blocks"),
}
"""Every recipe, and variational and denoising ones in every architecture."""
