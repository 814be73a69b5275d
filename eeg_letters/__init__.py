"""Classify imagined letters from EEG band powers."""

__version__ = "0.1.0"
