"""A database of recordings, of what the service answered, and of what was true of it."""
