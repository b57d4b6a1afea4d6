"""From training rows to a score model: which members there are, how each is trained, what is usual."""
