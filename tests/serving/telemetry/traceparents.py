"""``traceparent`` headers, valid and not, for the tests of logs and traces."""

from __future__ import annotations

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"

# Each is what a request has of them, all invalid by W3C Trace Context.
INVALID_TRACEPARENTS = [
    ["\\n{}"],
    ["00-0-0-01"],
    [f"ff-{TRACE}-{PARENT}-01"],
    [f"ff-{TRACE}-{PARENT}-01-more"],
    [f"00-{'0' * 32}-{PARENT}-01"],
    [f"00-{TRACE}-{'0' * 16}-01"],
    [f"cc-{'0' * 32}-{PARENT}-01-more"],
    [f"cc-{TRACE}-{'0' * 16}-01"],
    [f"00-{TRACE[:-1]}-{PARENT}-01"],
    [f"00-{TRACE}0-{PARENT}-01"],
    [f"00-{TRACE}-{PARENT[:-1]}-01"],
    [f"00-{TRACE}-{PARENT}0-01"],
    [f"0-{TRACE}-{PARENT}-01"],
    [f"000-{TRACE}-{PARENT}-01"],
    [f"00-{TRACE}-{PARENT}-1"],
    [f"00-{TRACE}-{PARENT}-001"],
    [f"{TRACEPARENT}-more"],
    [f"{TRACEPARENT}-"],
    [f"{TRACEPARENT}."],
    [f"cc{TRACEPARENT[2:]}.more"],
    [TRACEPARENT.upper()],
    [f"00-{TRACE}-{PARENT.upper()}-01"],
    [f"CC{TRACEPARENT[2:]}"],
    [f"00-{TRACE}-{PARENT}-0g"],
    [f"{TRACEPARENT},{TRACEPARENT}"],
    [TRACEPARENT, TRACEPARENT],
    [TRACEPARENT, f"00-{TRACE}-{PARENT[::-1]}-01"],
    ["", TRACEPARENT],
]
