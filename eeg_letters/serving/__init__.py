"""Serving: the models over HTTP, in a BentoML service."""
