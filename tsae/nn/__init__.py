"""Building blocks, encoder/decoder pairs and the composition `AutoEncoder`. Nothing here knows of tables."""
