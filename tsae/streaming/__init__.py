"""The scores of a stream, row by row: the same numbers as for the whole file."""
