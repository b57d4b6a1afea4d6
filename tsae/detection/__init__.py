"""Errors → scores → thresholds → events, and the estimators that hold them together."""
