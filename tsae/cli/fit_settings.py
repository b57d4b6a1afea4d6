"""The options of `tsae fit` that shape the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tsae.detection.parameters.recipes import recipe

if TYPE_CHECKING:
    from tsae.detection.parameters.recipes import DataKind

__all__ = ["Settings"]

_PANEL = "How the model is made (the defaults suit most tables)"


def _option(*names: str, help: str) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=_PANEL, show_default=False)


@dataclass(frozen=True)
class Settings:
    """What may be stated of the model; what is not is left to the detector."""

    preset: Annotated[str | None, _option("--preset", help="fast, balanced, best, or alone (one kind only).")] = None
    kind: Annotated[
        str | None,
        _option(
            "--kind",
            help="One kind of autoencoder that alone makes the score: undercomplete, deep, convolutional, transformer, "
            "variational or denoising.",
        ),
    ] = None
    architecture: Annotated[str | None, _option("--architecture", help="dense, conv or transformer.")] = None
    window_size: Annotated[str | None, _option("--window-size", help="Rows a window: auto, 64, or 16,64.")] = None
    latent_dim: Annotated[str | None, _option("--latent-dim", help="Length of the code: auto or a number.")] = None
    threshold: Annotated[
        str | None, _option("--threshold", help="pot, quantile, mad, conformal, spot, dspot, or the score itself.")
    ] = None
    false_alarm_rate: Annotated[
        str | None, _option("--false-alarms", help="The budget: '1/week', '2 per 10000 rows', or '0.1%' of the rows.")
    ] = None
    robust: Annotated[
        bool, _option("--robust", help="Leave out rows that are likely faulty: the table may hold unknown faults.")
    ] = False
    lag: Annotated[str | None, _option("--lag", help="Rows a score may wait for: auto or a number.")] = None
    max_fill: Annotated[int | None, _option("--max-fill", help="Longest gap, in rows, that windows cross.")] = None
    max_steps: Annotated[str | None, _option("--max-steps", help="Training steps at most: auto or a number.")] = None
    accelerator: Annotated[str | None, _option("--accelerator", help="cpu, gpu, mps or auto.")] = None
    seed: Annotated[
        int, _option("--seed", help="The same number gives the same model; 0 unless stated."), "random_state"
    ] = 0

    def parameters(self, data: DataKind = "series") -> dict[str, Any]:
        """The stated ones as the detector takes them, for tables or for pictures."""
        apart = ("seed", "kind")
        stated = {name: value for name, value in vars(self).items() if name not in apart and value is not None}
        values = {name: _value(text) if isinstance(text, str) else text for name, text in stated.items()}
        of_kind = {} if self.kind is None else recipe(self.kind, data)
        return {**of_kind, **values, "random_state": self.seed}


def _value(text: str) -> str | int | float | list[Any]:
    """A number, several numbers, or a word."""
    if "," in text:
        return [_value(part.strip()) for part in text.split(",")]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
