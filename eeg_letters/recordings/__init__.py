"""Recordings: their format, whole files and chunked tables."""
