"""``python -m htmx_ws``: what is asked of a process that serves, from outside of it.

Each command is a function that adds itself to the parser, and one that runs and gives the exit
status. What goes wrong is said in one line on stderr, as a platform's log shows it.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from http.client import HTTPException
from typing import IO, Any, Final
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from .errors import HtmxWSError
from .publisher import Publisher
from .readiness import drain_token
from .signing import check_secrets

__all__ = ["ask_to_drain", "main"]

#: Longer than a drain of the default 5 s and what it waits for then, up to 15 s.
DRAIN_TIMEOUT: Final = 30.0

#: More of an answer than is worth being shown, in characters.
_SHOWN: Final = 200


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m htmx_ws", description="htmx-ws from outside.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_drain(commands)
    _add_publish(commands)
    given = parser.parse_args(arguments)
    try:
        print(given.run(given))
    except HtmxWSError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    return 0


# --- drain -----------------------------------------------------------------------------


def _add_drain(commands: Any) -> None:
    parser = commands.add_parser(
        "drain",
        help="send the pages of a process elsewhere, before it is stopped",
        description="Drains a process by its live.readiness, and ends when its pages have gone.",
    )
    parser.add_argument("url", help="where live.readiness is: http://127.0.0.1:8000/ready")
    parser.add_argument(
        "--secret-env",
        metavar="NAME",
        default="HTMX_WS_SECRET",
        help="the environment variable with what HtmxWS(secret=...) got (%(default)s)",
    )
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=float,
        default=DRAIN_TIMEOUT,
        help="how long to wait for the answer (%(default)g)",
    )
    parser.set_defaults(run=_drain)


def _drain(given: argparse.Namespace) -> str:
    try:
        keys = check_secrets(os.environ.get(given.secret_env) or None)
    except ValueError as error:
        raise HtmxWSError(f"{given.secret_env}: {error}") from None
    if not keys:
        raise HtmxWSError(
            f"{given.secret_env} is not set: it has to hold what HtmxWS(secret=...) got, or "
            "--secret-env has to name what does."
        )
    return ask_to_drain(given.url, drain_token(keys), given.timeout)


def ask_to_drain(url: str, token: str, timeout: float = DRAIN_TIMEOUT) -> str:
    """Drain the process that serves ``live.readiness`` at ``url``; gives what it answers.

    Raises ``HtmxWSError``, which says what to do, where that did not work.
    """
    if not url.startswith(("http://", "https://")):
        raise HtmxWSError(f"{url!r} is no address such as http://127.0.0.1:8000/ready.")
    # Neither by a proxy, which would ask some process, nor by a redirect, with the token.
    opener = build_opener(ProxyHandler({}), _NoRedirect)
    try:
        request = Request(url, b"", {"Authorization": f"Bearer {token}"})
        with opener.open(request, timeout=timeout) as answer:
            text = _read(answer)
    except HTTPError as error:
        with error:
            raise HtmxWSError(f"{url} {_refusal(error)}") from None
    except TimeoutError:
        raise HtmxWSError(_TOO_LATE.format(url, timeout)) from None
    except (OSError, HTTPException, ValueError) as error:
        cause = error.reason if isinstance(error, URLError) else error
        if isinstance(cause, TimeoutError):
            raise HtmxWSError(_TOO_LATE.format(url, timeout)) from None
        raise HtmxWSError(f"{url} does not answer: {cause!r}") from None
    if not re.fullmatch(r"drained \d+ pages?", text):
        raise HtmxWSError(f"{url} is not live.readiness, which would not answer {text!r}.")
    return text


_TOO_LATE: Final = "{} did not answer in {:g} s (--timeout). What it began, it goes on with."


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(
        self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: Any
    ) -> None:
        """Follow nowhere: then a redirect is an error."""


def _refusal(error: HTTPError) -> str:
    where = error.headers.get("Location")
    if where is not None:
        return f"leads to {where}: give the address that it leads to."
    return f"answers {error.code}: {_read(error)}"


def _read(answer: IO[bytes]) -> str:
    return answer.read(_SHOWN).decode(errors="replace").strip()


# --- publish ---------------------------------------------------------------------------


def _add_publish(commands: Any) -> None:
    parser = commands.add_parser(
        "publish",
        help="send HTML to all pages of a room",
        description="Publishes to a room, and says as which of its messages.",
    )
    parser.add_argument("room", help="the name of the room: chat:lobby")
    parser.add_argument(
        "html",
        help="elements with an id, or with hx-swap-oob, that say where they go; - reads stdin",
    )
    parser.add_argument(
        "--backend",
        metavar="URL",
        default=os.environ.get("HTMX_WS_BACKEND"),
        help="what HtmxWS(backend=...) got: redis://127.0.0.1:6379/0. Without it the environment "
        "variable HTMX_WS_BACKEND says so, where others do not see a password in it",
    )
    parser.add_argument(
        "--exclude",
        metavar="TOKEN",
        action="append",
        default=[],
        help="the token of a page that is left out; may be given again",
    )
    parser.set_defaults(run=_publish)


def _publish(given: argparse.Namespace) -> str:
    if not given.backend:
        raise HtmxWSError("Where to is not known: give --backend, or set HTMX_WS_BACKEND.")
    try:
        publisher = Publisher(given.backend)
    except (ValueError, ModuleNotFoundError) as error:
        raise HtmxWSError(str(error)) from None
    html = sys.stdin.read() if given.html == "-" else given.html
    with publisher:
        try:
            offset = publisher.publish(given.room, html, exclude=given.exclude)
        except TypeError as error:
            raise HtmxWSError(str(error)) from None
    return f"published to {given.room!r} as number {offset}"


if __name__ == "__main__":
    sys.exit(main())
