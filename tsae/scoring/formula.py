"""The numbers of the score's formula that are not learned: written once, and kept in every model file."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Formula"]


@dataclass(frozen=True)
class Formula:
    """Constants of scoring version 1.

    A model file keeps those that it was fitted with, so that later versions of tsae score it as it was, or refuse it.
    """

    version: int = 1
    prompt: int = 25
    """Rows; a member whose immediate error looks at more of them is left out of immediate scores."""
    patience: float = 0.25
    """Windows that a shortened lag may wait; more does not help."""
    knee: float = 20.0
    """Nats; further out a tail fitted to some thousand rows is extrapolation, and a view counts by its logarithm."""
    constant_memory: int = 100
    """Rows; a new level of a constant channel counts as long as it is news."""
    switch_memory: int = 16
    """Rows over which the surprise of switches and their features are averaged, and their changes are counted."""
    switch_clip: float = 5.0
    """Standard deviations at which analog channels are clipped as features of switches."""
    most_logit: float = 30.0
    """Bound of the logit of a switch's state."""
    least_probability: float = 1e-4
    """Of a switch's state."""
    rate_spread: float = 0.25
    """Of log counts; twice as many changes of a switch as ever are three nats."""
    most_unusual: float = 9.2
    """Nats that the habits of a switch may count; as for a state of probability 1e-4."""
