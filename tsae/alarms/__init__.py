"""From scores to alarms: thresholds, labels, events and drift."""

from typing import Literal

__all__ = ["Direction"]

Direction = Literal["either", "above", "below"]
"""Sides that a rule for events can ask for."""
