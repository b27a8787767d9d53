"""Signed tokens: as they were signed, or changed in any way.

A token that is as it was signed gives its value. Any other gives ``BadSignature``: also what is
no text at all, since a token comes from a page, and a page writes any JSON.
"""

from __future__ import annotations

import string
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar, Final

from htmx_ws import BadSignature, HtmxWS

from .kind import Broken, Kind
from .words import mutate, word

__all__ = ["Tokens"]

_SECRETS: Final = ("an old secret of 24 bytes", "a new secret of 24 bytes!", b"\0" * 16)
_LIVE: Final = [HtmxWS(secret=one) for one in _SECRETS] + [HtmxWS(secret=_SECRETS)]
_NO_TEXT: Final[list[Any]] = [None, True, 7, 1.5, [], ["a", "b"], {}, {"a": "b"}, b"a.b.c", object]
_LETTERS: Final = string.ascii_letters + string.digits + "-_.=+/ \n\0é\uff10\ud800"


@dataclass(frozen=True)
class Token:
    """A value that is signed, and what is done to its token.

    ``by`` and ``at`` are the places of the secrets, so that a run's tokens can differ by their
    time and an input still be the same.
    """

    value: str
    seconds: float | None
    to: str
    by: int
    at: int
    asked_for: str
    change: str
    seed: int


class Tokens(Kind[Token]):
    """Tokens for ``unsign``."""

    name: ClassVar[str] = "token"
    share: ClassVar[int] = 600

    def make(self, random: Random) -> Token:
        to = random.choice(("", "", "ann", word(random)))
        by = random.randrange(len(_LIVE))
        return Token(
            value=word(random),
            seconds=random.choice((60, 86_400, None, 1e9, 0, -1, -60, -1e9, -1e12)),
            to=to,
            by=by,
            at=by if random.random() < 0.8 else random.randrange(len(_LIVE)),
            asked_for=to
            if random.random() < 0.9
            else random.choice(("", "bob", to + " ", "0" + to)),
            change=random.choice(("none", "none", "text", "letter", "parts", "end", "no text")),
            seed=random.randrange(2**32),
        )

    async def check(self, given: Token) -> None:
        signed = _LIVE[given.by].sign(given.value, seconds=given.seconds, to=given.to)
        token = _change(Random(given.seed), given.change, signed)
        try:
            said = _LIVE[given.at].unsign(token, to=given.asked_for)
        except BadSignature as error:
            if _is_good(given, token, signed):
                raise Broken("a good token is refused", signed, str(error)) from None
            if error.close_code != 4403:
                raise Broken("a bad token does not keep htmx away", error.close_code) from None
            return
        if not _is_good(given, token, signed):
            raise Broken("a token is taken that was not signed so", token, signed)
        if said != given.value:
            raise Broken("a token gives another value", said)


def _is_good(given: Token, token: Any, signed: str) -> bool:
    # The last application signs by the first secret of all, and knows every one.
    knows = given.at == given.by or given.at == len(_SECRETS) or {given.at, given.by} == {0, 3}
    lives = given.seconds is None or given.seconds > 0
    return (
        type(token) is str and token == signed and knows and lives and given.to == given.asked_for
    )


def _change(random: Random, change: str, token: str) -> Any:
    value, end, signature = token.split(".")
    if change == "text":
        return mutate(random, token)
    if change == "letter":
        at = random.randrange(len(token))
        return token[:at] + random.choice(_LETTERS) + token[at + 1 :]
    if change == "parts":
        parts = [value, end, signature]
        random.shuffle(parts)
        others = [value + "=", value + "A", signature + "=", signature.swapcase(), "", "."]
        return ".".join((*parts, random.choice(others))[random.randint(0, 2) :])
    if change == "end":
        others = ["", "7fffffffffff", "-1", "0x7f", "inf", "g", "\uff11", end + "0", "1" * 5_000]
        return f"{value}.{random.choice(others)}.{signature}"
    return random.choice(_NO_TEXT) if change == "no text" else token
