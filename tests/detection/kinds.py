"""Every kind of autoencoder: a line of the contract that `test_kinds` holds series and images alike to."""

from __future__ import annotations

from typing import Any, NamedTuple

from tsae.detection.parameters.recipes import DataKind, recipe

__all__ = ["LINES", "Line"]

SMALL_STACK = {"hidden": (12, 10, 8), "rbm": {"n_steps": 10}}
ONE_BLOCK = {"architecture": "transformer", "n_blocks": 1, "width": 8, "n_heads": 2}


class Line(NamedTuple):
    """A kind with what is varied about it."""

    name: str
    recipe: str
    overrides: dict[str, Any]
    only: DataKind | None = None
    """The data it is for, where it is not for both."""

    def __str__(self) -> str:
        return self.name

    def parameters(self, data: DataKind) -> dict[str, Any]:
        """Of a detector that is fitted in a moment."""
        return recipe(self.recipe, data, **{"max_steps": 10, "random_state": 0, **self.overrides})


LINES = [
    Line("undercomplete", "undercomplete", {}),
    Line("asymmetric", "undercomplete", {"hidden": (20, 9), "decoder_hidden": (11,), "activation": "tanh"}),
    Line("linear", "undercomplete", {"hidden": (), "latent_dim": 4}),
    Line("linear path", "undercomplete", {"linear_path": True}),
    Line("sparse", "undercomplete", {"sparsity": 0.1, "loss": "l1", "dropout": 0.1}),
    Line("contractive", "undercomplete", {"contraction": 0.1, "loss": "huber"}),
    Line("learned variance", "convolutional", {"loss": "gaussian", "score_by": "probability"}),
    Line("deep", "deep", SMALL_STACK),
    Line("deep persistent", "deep", {"hidden": (9,), "rbm": {"n_steps": 9, "n_gibbs": 2, "persistent": True}}),
    Line("deep bernoulli", "deep", {**SMALL_STACK, "loss": "bernoulli"}, "images"),
    Line("convolutional", "convolutional", {}),
    Line("convolutional wide", "convolutional", {"width": 6, "kernel_size": 3, "n_blocks": 1, "contraction": 0.1}),
    Line("transformer", "transformer", ONE_BLOCK),
    Line("variational", "variational", {}),
    Line("variational conv", "variational", {"architecture": "conv", "loss": "gaussian"}),
    Line("variational bernoulli", "variational", {"architecture": "conv", "loss": "bernoulli"}, "images"),
    Line("variational transformer", "variational", {**ONE_BLOCK, "loss": "gaussian", "variance": 0.1}),
    Line("variational probability", "variational", {"score_by": "probability", "corruption": "mask_points"}),
    Line("variational linear path", "variational", {"linear_path": True, "latent_dim": 6, "kl_weight": 0.5}),
    Line("denoising", "denoising", {}),
    Line("denoising conv", "denoising", {"architecture": "conv", "corruption": "salt_pepper", "loss": "l1"}),
    Line("denoising transformer", "denoising", {**ONE_BLOCK, "corruption": "mask_blocks"}),
    Line("masked points", "denoising", {"corruption": "mask_points", "score_by": "masked", "n_samples": 12}),
    Line("masked channels", "denoising", {"corruption": "mask_channels", "score_by": "masked"}),
    Line("masked blocks", "denoising", {"architecture": "conv", "corruption": "mask_blocks", "score_by": "masked"}),
]
