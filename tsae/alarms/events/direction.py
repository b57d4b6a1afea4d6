"""Sides that a rule for events can ask for, importable without numpy."""

from __future__ import annotations

from typing import Literal

__all__ = ["Direction"]

Direction = Literal["either", "above", "below"]
