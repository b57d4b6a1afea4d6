"""From scores to alarms: thresholds, labels, events and drift, and what people say of them."""

from typing import Literal

__all__ = ["AnnotationKind", "Direction"]

AnnotationKind = Literal["real", "false alarm", "new normal", "maintenance", "ignore"]
"""What a person can say of an event or an interval."""
Direction = Literal["either", "above", "below"]
"""Sides that a rule for events can ask for."""
