"""The container image: how it is built, run, measured and described."""
