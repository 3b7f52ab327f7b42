"""Training: algorithms (init, step), devices, the loop, checkpoints."""
