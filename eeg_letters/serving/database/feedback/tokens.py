"""Who may give feedback, read what was kept, and delete it: bearer tokens, as RFC 6750 has them.

``EEG_TOKENS_FILE`` names a file with a token in each line: a name, the token's SHA-256 as
hexadecimal digits, and what it is for, some of ``feedback``, ``log`` and ``delete``::

    # NAME SHA256HEX SCOPE…
    annotator 5dd1…09f2 feedback log

where the digits are what ``printf %s "$TOKEN" | sha256sum`` prints, all 64 of them. Empty lines and
those that begin with # are passed over. A name may have several tokens, so that one can be replaced
without a pause.

One round of SHA-256 protects a token only if it cannot be guessed: it must have at least 128 random
bits. ``openssl rand -hex 32`` makes one of 256.
"""

from __future__ import annotations

import hmac
import logging
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path

from eeg_letters.errors import Problem, UserError
from eeg_letters.serving.routing import Request
from eeg_letters.settings import Settings

_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")
_DIGEST = re.compile(r"[0-9A-Fa-f]{64}")
_CREDENTIALS = re.compile(rb"bearer +([A-Za-z0-9._~+/-]+=*) *", re.IGNORECASE)
_BEARER = re.compile(rb"bearer(?: |\Z)", re.IGNORECASE)

_logger = logging.getLogger("eeg_letters")


class Scope(StrEnum):
    """What a token may be for."""

    FEEDBACK = "feedback"
    LOG = "log"
    DELETE = "delete"


# Makes sure that a request may do something, and gives the name of its token; None where anybody
# may. Raises Problem.
Gate = Callable[[Request, Scope], str | None]


def build_gate(settings: Settings) -> Gate:
    """What lets requests pass, as the settings have it.

    Raises
    ------
    eeg_letters.errors.UserError
        When there is to be a file of tokens, and it cannot be read.
    """
    if settings.tokens_file is not None:
        return TokensFile(settings.tokens_file).require
    return _open if settings.open_feedback else _closed


def _open(_: Request, __: Scope) -> str | None:
    return None


def _closed(_: Request, __: Scope) -> str | None:
    raise Problem(
        HTTPStatus.NOT_FOUND,
        "Feedback and the log are off: EEG_TOKENS_FILE, or EEG_OPEN_FEEDBACK=true, turns them on.",
    )


@dataclass(frozen=True)
class _Token:
    name: str
    digest: str
    scopes: frozenset[Scope]


class TokensFile:
    """The tokens of a file, read again when it changes.

    Parameters
    ----------
    file : pathlib.Path
        In the form that this module has above; a link, as in a mounted Secret, is followed.

    Raises
    ------
    eeg_letters.errors.UserError
        When it cannot be read.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._read_as = self._stamp()
        self._tokens: list[_Token] | None = _read(file)

    def require(self, request: Request, scope: Scope) -> str:
        """Make sure that a request has a token for something; gives the token's name.

        Raises
        ------
        Problem
            400, 401 or 403, or 503 while the file cannot be read.
        """
        tokens = self._current()
        given = request.headers.get(b"authorization")
        if given is None or not _BEARER.match(given):
            raise _refused(HTTPStatus.UNAUTHORIZED, f"A token for {scope} is needed.")
        credentials = _CREDENTIALS.fullmatch(given)
        if credentials is None:
            raise _refused(
                HTTPStatus.BAD_REQUEST,
                "The header Authorization is not Bearer and a token.",
                "invalid_request",
            )
        token = _find(tokens, sha256(credentials[1]).hexdigest())
        if token is None:
            raise _refused(HTTPStatus.UNAUTHORIZED, "The token is not known.", "invalid_token")
        if scope not in token.scopes:
            raise _refused(
                HTTPStatus.FORBIDDEN,
                f"The token is not for {scope}.",
                "insufficient_scope",
                scope,
            )
        return token.name

    def _current(self) -> list[_Token]:
        try:
            # Before it is read: what is written in between is seen next time.
            stamp = self._stamp()
            if self._tokens is None or stamp != self._read_as:
                self._tokens = _read(self._file)
                self._read_as = stamp
        except UserError as error:
            if self._tokens is not None:
                _logger.error("%s", error)
            self._tokens = None
        if self._tokens is None:
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "The tokens cannot be read; the service's log says why.",
                ((b"retry-after", b"5"),),
            )
        return self._tokens

    def _stamp(self) -> tuple[int, int, int, int]:
        try:
            found = self._file.stat()
        except OSError as error:
            raise _unreadable(self._file, error) from None
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _read(file: Path) -> list[_Token]:
    try:
        lines = file.read_bytes().decode().splitlines()
    except OSError as error:
        raise _unreadable(file, error) from None
    except UnicodeDecodeError:
        raise UserError(f"EEG_TOKENS_FILE={file}: it is not UTF-8 text") from None
    tokens = []
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        name, digest, *scopes = (*words, "") if len(words) == 1 else words
        where = f"EEG_TOKENS_FILE={file}, line {number}"
        # Nothing of the line is quoted: where the digest should be may be the token.
        if not _NAME.fullmatch(name) or not _DIGEST.fullmatch(digest):
            raise UserError(
                f"{where}: it must be a name of letters, digits, dots, hyphens and underscores, the"
                " token's SHA-256 as 64 hexadecimal digits, and scopes, with blanks between them"
            )
        if not scopes or not set(scopes) <= set(Scope):
            raise UserError(f"{where}: the scopes must be one or more of {', '.join(Scope)}")
        tokens.append(_Token(name, digest.lower(), frozenset(map(Scope, scopes))))
    if len({token.digest for token in tokens}) < len(tokens):
        raise UserError(f"EEG_TOKENS_FILE={file}: one token is in two lines")
    return tokens


def _unreadable(file: Path, error: OSError) -> UserError:
    return UserError(f"EEG_TOKENS_FILE={file}: {os.strerror(error.errno or 0)}")


def _find(tokens: list[_Token], digest: str) -> _Token | None:
    # All are compared, whichever it is.
    same = [token for token in tokens if hmac.compare_digest(token.digest, digest)]
    return same[0] if same else None


def _refused(
    status: HTTPStatus, detail: str, error: str | None = None, scope: Scope | None = None
) -> Problem:
    challenge = 'Bearer realm="eeg-letters"'
    for name, value in (("error", error), ("scope", scope)):
        if value is not None:
            challenge += f', {name}="{value}"'
    return Problem(status, detail, ((b"www-authenticate", challenge.encode()),))
