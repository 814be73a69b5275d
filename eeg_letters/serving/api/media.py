"""Media types of the rows that a client sends."""

from __future__ import annotations

TABLES = (b"text/csv", b"text/tab-separated-values")
JSON_LINES = (b"application/x-ndjson", b"application/jsonl", b"application/x-jsonlines")
