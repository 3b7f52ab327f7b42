"""A run's folder: what lies in it, what a file may name, loading the model."""
