"""What the commands do when they are given a folder of pictures instead of a table."""
