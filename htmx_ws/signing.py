"""Names that a page may carry and not change: signed, for a while, and for one visitor.

What a page says in its connect URL or in a form was written by its client. A room's name that
the server signed when it rendered the page comes back as it was, or is refused. The signature
is an HMAC-SHA256 over the value, its end, and whom it is for; the first secret signs, and all
of them are tried, so that secrets can be changed while pages are open.
"""

from __future__ import annotations

import hmac
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from hashlib import sha256
from typing import Final

from .errors import BadSignature

__all__ = ["MIN_SECRET", "check_secrets", "looks_signed", "sign", "unsign"]

#: A shorter secret can be guessed, in bytes.
MIN_SECRET: Final = 16

_SALT: Final = b"htmx-ws signing 1"
_SIGNATURE_BYTES: Final = 20


def check_secrets(secrets: str | bytes | Iterable[str | bytes] | None) -> tuple[bytes, ...]:
    """Give secrets as keys; raises ``ValueError`` for one that is too short."""
    given = () if secrets is None else (secrets,) if isinstance(secrets, (str, bytes)) else secrets
    keys = tuple(each.encode() if isinstance(each, str) else each for each in given)
    if any(len(key) < MIN_SECRET for key in keys):
        raise ValueError(
            f"A secret has fewer than {MIN_SECRET} bytes: make one with "
            "python -c 'import secrets; print(secrets.token_urlsafe())'."
        )
    return keys


def sign(
    keys: tuple[bytes, ...], value: str, seconds: float | None, to: str, purpose: str = ""
) -> str:
    """Sign a value by the first key; text that may stand in a URL.

    What is signed for one ``purpose`` passes for no other.
    """
    end = "" if seconds is None else f"{int(time.time() + seconds):x}"
    body = f"{_encode(value.encode())}.{end}"
    return f"{body}.{_signature(keys[0], body, to, purpose)}"


def looks_signed(token: str) -> bool:
    """Whether a text is made as ``sign`` makes them; one that is not will hold for nobody."""
    return token.count(".") == 2


def unsign(keys: tuple[bytes, ...], token: str, to: str, purpose: str = "") -> str:
    """Give the value of a token; raises ``BadSignature`` for any that was not signed so."""
    if not isinstance(token, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # pages' JSON
        raise BadSignature("it is no text")
    body, _, signature = token.rpartition(".")
    given = signature.encode("utf-8", "surrogatepass")
    own = (_signature(key, body, to, purpose).encode() for key in keys)
    if not any(hmac.compare_digest(each, given) for each in own):
        raise BadSignature("it was not signed here, or for somebody else")
    encoded, _, end = body.partition(".")
    if end and int(end, 16) < time.time():
        raise BadSignature("its time is over")
    return urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()


def _signature(key: bytes, body: str, to: str, purpose: str) -> str:
    # The length tells apart what is signed from whom it is for, wherever one ends.
    said = b"%d:%b%b" % (len(body), body.encode("utf-8", "surrogatepass"), to.encode())
    own = hmac.digest(key, _SALT + purpose.encode(), sha256)
    return _encode(hmac.digest(own, said, sha256)[:_SIGNATURE_BYTES])


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")
