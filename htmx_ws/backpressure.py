"""Which servers never hold a sender back, so that what waits for a slow page is out of sight.

The limits of the outbox rest on a ``send()`` that does not return while a page reads nothing.
Where it always returns, the server's own buffer grows instead, and nobody can see it from
here: all that can be done is to say so, once, when it begins.
"""

from __future__ import annotations

from asyncio import BaseProtocol
from functools import partial

from .types import Send

__all__ = ["name_unbounded"]


def name_unbounded(send: Send) -> str | None:
    """Say which server gave this ``send`` that never blocks; None for one that may block.

    daphne's never does, nor does that of an asyncio protocol that takes no notice of a full
    transport, as uvicorn's websockets-sansio before 0.52.1. Behind a middleware that wraps
    ``send`` nothing is seen.
    """
    inner = send.func if isinstance(send, partial) else send
    owner = getattr(inner, "__self__", None)
    server = type(owner).__module__.partition(".")[0]
    if server == "daphne":
        return "daphne"
    if isinstance(owner, BaseProtocol) and type(owner).pause_writing is BaseProtocol.pause_writing:
        return f"{server}'s {type(owner).__name__}"
    return None
