"""Losses: pure functions from arrays to scalars."""
