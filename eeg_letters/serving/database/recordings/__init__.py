"""Recordings in the database: their rows, predictions and scores."""
