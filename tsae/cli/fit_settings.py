"""Options of the model that `tsae fit` takes, for tables and for pictures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tsae.cli.options import check_budget, parsed
from tsae.detection.parameters.recipes import RECIPES, recipe
from tsae.fitting.plan import PRESETS
from tsae.nn.architectures import ARCHITECTURES

if TYPE_CHECKING:
    from tsae.detection.parameters.recipes import DataKind

__all__ = ["Settings"]

_PANEL = "Model options (the defaults suit most tables)"
_ACCELERATORS = ("cpu", "gpu", "mps", "auto")


def _option(*names: str, help: str, choices: Iterable[str] = ()) -> Any:
    metavar = "|".join(choices) or None
    return typer.Option(*names, help=help, metavar=metavar, rich_help_panel=_PANEL, show_default=False)


@dataclass(frozen=True)
class Settings:
    """Options of the model; the detector has the defaults of those that are `None`."""

    preset: Annotated[
        str | None, _option("--preset", choices=PRESETS, help="Which networks make the score; alone has one kind only.")
    ] = None
    kind: Annotated[str | None, _option("--kind", help=f"Use a single kind of autoencoder: {', '.join(RECIPES)}.")] = (
        None
    )
    architecture: Annotated[
        str | None,
        _option(
            "--architecture", choices=ARCHITECTURES, help="Of the networks that rebuild windows; dense unless stated."
        ),
    ] = None
    window_size: Annotated[str | None, _option("--window-size", help="Rows per window: auto, 64, or 16,64.")] = None
    latent_dim: Annotated[str | None, _option("--latent-dim", help="Length of the code: auto or a number.")] = None
    threshold: Annotated[
        str | None,
        _option("--threshold", choices=("LEARNER", "NUMBER"), help="Its learner: {learners}; or the score itself."),
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
    accelerator: Annotated[
        str | None, _option("--accelerator", choices=_ACCELERATORS, help="Device to train on; cpu unless stated.")
    ] = None
    seed: Annotated[
        int, _option("--seed", help="The same number gives the same model; 0 unless stated."), "random_state"
    ] = 0

    def __post_init__(self) -> None:
        from tsae.checks import check_choice  # loads NumPy, which help does without

        choices = {"preset": PRESETS, "kind": RECIPES, "architecture": ARCHITECTURES, "accelerator": _ACCELERATORS}
        for name, known in choices.items():
            if getattr(self, name) is not None:
                check_choice(name, getattr(self, name), known)
        check_budget(self.threshold, self.false_alarm_rate)

    def parameters(self, data: DataKind = "series") -> dict[str, Any]:
        """Return the options as parameters of the detector for tables or for pictures."""
        from tsae.detection.parameters.groups import in_groups

        others = ("seed", "kind")
        stated = {name: value for name, value in vars(self).items() if name not in others and value is not None}
        values = {name: parsed(text) if isinstance(text, str) else text for name, text in stated.items()}
        values["random_state"] = self.seed
        return in_groups(values) if self.kind is None else recipe(self.kind, data, **values)
