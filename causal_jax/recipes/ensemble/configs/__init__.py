"""Configs of the classifiers of natural pictures."""
