"""The socket that a service listens on; run as a command, whether `make serve` could have it."""

from __future__ import annotations

import socket
import sys

from eeg_letters.errors import UserError

# As of `bentoml serve`.
BACKLOG = 2048


def listen(host: str, port: str) -> socket.socket:
    """Listen on an address and a port; on ``::`` for clients by IPv4 too, where that is possible.

    Raises
    ------
    UserError
        When it cannot: only why, for each caller's settings have other names.
    """
    if not port.isdecimal():
        raise UserError("the port is no number")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server(
            (host, int(port)),
            family=family,
            backlog=BACKLOG,
            dualstack_ipv6=family == socket.AF_INET6 and socket.has_dualstack_ipv6(),
        )
    except OverflowError:
        raise UserError("a port is at most 65535") from None
    except (OSError, TypeError, ValueError) as error:
        # Where it was tried stands in parentheses.
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UserError(str(reason).split(" (")[0]) from None


if __name__ == "__main__":
    try:
        listen(*sys.argv[1:]).close()
    except UserError as error:
        sys.exit("eeg-letters: HOST={}, PORT={}: {}".format(*sys.argv[1:], error))
