"""Objectives, batches cut as views, the one LightningModule, RBM pre-training and the fit loop."""
