"""What a fitted detector knows, and how a model file keeps it."""
