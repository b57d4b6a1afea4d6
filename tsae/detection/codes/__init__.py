"""Latent codes, and what people do with them besides detecting."""
