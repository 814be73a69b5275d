"""The ``traceparent`` header of W3C Trace Context: which one is carried on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

_NAME = b"traceparent"
_IDS = rb"(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
# A version that is not known yet may add to what version 00 has; there will be no version ff.
_VALID = re.compile(rb"00-%b|(?!00|ff)[0-9a-f]{2}-%b(?:-.*)?" % (_IDS, _IDS))
_LENGTH = 55


def read_traceparent(
    headers: Mapping[bytes, bytes], fields: Sequence[tuple[bytes, bytes]]
) -> str | None:
    """The request's ``traceparent``, without what a later version adds.

    Parameters
    ----------
    headers : mapping of bytes to bytes
        By name in lower case; of duplicate headers the last.
    fields : sequence of (bytes, bytes)
        All headers, duplicates too.

    Returns
    -------
    str or None
        None where there is none, more than one, or one that is invalid.
    """
    given = headers.get(_NAME)
    if given is None or not _VALID.fullmatch(given):
        return None
    if len(headers) != len(fields) and sum(name == _NAME for name, _ in fields) > 1:
        return None
    return given[:_LENGTH].decode()
