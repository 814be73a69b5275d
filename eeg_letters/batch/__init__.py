"""Batch prediction: the command that scores whole files."""
