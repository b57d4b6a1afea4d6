"""Formats of table files, one file each, listed in `registry`."""
