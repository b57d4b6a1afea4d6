"""What the labels of some rows or images bring: checks, thresholds tuned to them."""
