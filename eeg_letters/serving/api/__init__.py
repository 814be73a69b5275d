"""The REST API of our own: stored rows, scores, and predictions for rows of a client."""
