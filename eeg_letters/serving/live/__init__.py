"""Streams: rows in and answers out, over one WebSocket."""
