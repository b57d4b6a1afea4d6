"""Transports of a stream, one file each with its source, its sink or both; `registry` lists them."""
