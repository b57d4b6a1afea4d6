"""Pictures as arrays `(n, channels, height, width)`: reading folders, checking and scaling."""
