"""Parameters in groups: `network` and `training` hold options that scikit-learn reaches as `network__width`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from difflib import get_close_matches
from typing import Any, Self, TypeVar

from sklearn.base import BaseEstimator

from tsae.errors import ParameterError
from tsae.nn.options import NetworkOptions
from tsae.training.options import TrainingOptions

__all__ = ["GROUPS", "GroupedParameters", "in_groups", "options_of"]

GROUPS: Mapping[str, type[NetworkOptions] | type[TrainingOptions]] = {
    "network": NetworkOptions,
    "training": TrainingOptions,
}
"""Parameters that hold options, and what they hold."""
_FIELDS = {group: tuple(field.name for field in fields(options)) for group, options in GROUPS.items()}

Options = TypeVar("Options", NetworkOptions, TrainingOptions)


def options_of(kind: type[Options], group: str, value: Any, *, elsewhere: Iterable[str] = ()) -> Options:
    """Return the options that a group's parameter stands for; it may also be a dictionary, or `None` for the defaults.

    `elsewhere` are the names of the parameters around it, for a hint if one of them is in the dictionary.

    Raises `ParameterError` if it is none of these, or names or holds what is unknown or out of range.
    """
    if value is None:
        return kind()
    if isinstance(value, kind):
        return value
    if not isinstance(value, Mapping):
        rule = f"must be {kind.__name__}, a dictionary or None"
        raise ParameterError(f"`{group}` (={value!r}) {rule}; pass something like {{{_FIELDS[group][0]!r}: ...}}")
    for name in value:
        if name not in _FIELDS[group]:
            raise ParameterError(
                f"`{name}` is not an option of `{group}`; {_way_out(name, _FIELDS[group], elsewhere, group)}"
            )
    return kind(**value)


def in_groups(*parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters with the options among them put into their groups; later ones win over earlier ones.

    Options may go by their own names (`width`), as in model files from before there were groups, by scikit-learn's
    (`network__width`), or in a group's dictionary.

    Examples
    --------
    >>> in_groups({"lag": 0, "width": 4, "loss": "l1"}, {"network": {"width": 8}, "network__n_blocks": 1})
    {'lag': 0, 'network': {'width': 8, 'n_blocks': 1}, 'training': {'loss': 'l1'}}
    """
    homes = {name: group for group, names in _FIELDS.items() for name in names}
    found: dict[str, Any] = {}
    groups: dict[str, dict[str, Any]] = {}
    for name, value in (pair for each in parameters for pair in each.items()):
        option = name.rpartition("__")[2]
        if name in GROUPS and value is not None:
            stated = value if isinstance(value, Mapping) else vars(options_of(GROUPS[name], name, value))  # type: ignore[type-var]
            groups.setdefault(name, {}).update(stated)
        elif name in homes or f"{homes.get(option)}__{option}" == name:
            groups.setdefault(homes[option], {})[option] = value
        else:
            found[name] = value
    return found | groups


class GroupedParameters(BaseEstimator):  # type: ignore[misc]
    """An estimator whose parameters `network` and `training` hold options.

    Each is `None`, which stands for the defaults, a dictionary, or an object of the class in `GROUPS`. What `__init__`
    was given stays as it is.
    """

    def __new__(cls, *_: object, **parameters: object) -> Self:
        """Refuse unknown parameters with the nearest right one, which Python's own error does not name."""
        cls._check_names(parameters)
        made: Self = super().__new__(cls)
        return made

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name.

        Parameters
        ----------
        deep
            Also list each option of a group, as `network__width`.
        """
        found: dict[str, Any] = super().get_params(deep=False)
        for group, options in GROUPS.items() if deep else ():
            held = found[group]
            stated = held if isinstance(held, Mapping) else vars(held) if isinstance(held, options) else {}
            found |= {f"{group}__{each.name}": stated.get(each.name, each.default) for each in fields(options)}
        return found

    def set_params(self, **params: Any) -> Self:
        """Set parameters and, by names such as `network__width`, options of a group.

        A group that an option changes becomes an object; one that it does not change stays as it was given.

        Raises
        ------
        ParameterError
            If a name is unknown, or an option out of range.
        """
        nested: dict[str, dict[str, Any]] = {}
        for name, value in params.items():
            group, is_nested, option = name.partition("__")
            if is_nested and option in _FIELDS.get(group, ()):
                nested.setdefault(group, {})[option] = value
            else:
                self._check_names([name])
                setattr(self, name, value)
        for group, stated in nested.items():
            before = options_of(GROUPS[group], group, getattr(self, group))  # type: ignore[type-var]
            after = replace(before, **stated)
            if after != before:
                setattr(self, group, after)
        return self

    @classmethod
    def _check_names(cls, names: Iterable[str]) -> None:
        known = cls._get_param_names()
        for name in names:
            if name not in known:
                way_out = _way_out(name.rpartition("__")[2], known)
                raise ParameterError(f"`{name}` is not a parameter of {cls.__name__}; {way_out}")


def _way_out(name: str, here: Iterable[str], around: Iterable[str] = (), group: str | None = None) -> str:
    """The nearest right name among those of this place, those around it, and the options of other groups."""
    spellings = {each: f"the parameter `{each}`" for each in around} | {each: f"`{each}`" for each in here}
    for other, names in _FIELDS.items():
        if other != group:
            spellings |= {each: f"{other}={{{each!r}: ...}} (`{other}__{each}`)" for each in names}
    near = get_close_matches(name, spellings, n=1)
    return f"did you mean {spellings[near[0]]}?" if near else f"choose one of {', '.join(here)}"
