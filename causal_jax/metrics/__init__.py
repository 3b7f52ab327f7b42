"""Distances and scores."""
