"""What a browser shows: the page and the API reference."""
