"""One module a revision; a revision that was released does not change."""
