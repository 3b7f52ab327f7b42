"""Readers of other people's weight files, each safe: nothing in a file is executed."""
