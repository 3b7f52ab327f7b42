"""Answers that need a model and its parameters and no training."""
