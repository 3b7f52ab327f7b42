"""Metrics over label laws and images."""
