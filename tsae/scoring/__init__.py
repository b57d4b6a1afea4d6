"""From rows to scores: networks, members, their errors, views and the score that joins them."""
