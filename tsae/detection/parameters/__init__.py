"""From plain parameters to the options of parts, checked together."""
