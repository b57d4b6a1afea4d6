"""From scores to alarms: thresholds, labels, events and drift."""
