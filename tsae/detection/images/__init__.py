"""The detector of images and its parts."""
