"""Scoring: compiled models, for one row or many, and the store they are in."""
