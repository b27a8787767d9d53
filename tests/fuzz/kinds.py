"""Every kind of input, in the order in which they run; their shares make ten thousand."""

from __future__ import annotations

from typing import Any, Final

from .cleaning import Cleaning
from .escapes import Escapes
from .fragments import Fragments
from .frames import Frames
from .handshakes import Handshakes
from .kind import Kind
from .origins import Origins
from .redirects import Redirects
from .selectors import Selectors
from .sessions import Sessions
from .tokens import Tokens

__all__ = ["KINDS"]

_EVERY: Final[tuple[Kind[Any], ...]] = (
    *(Frames(), Sessions(), Origins(), Handshakes(), Tokens()),
    *(Fragments(), Selectors(), Escapes(), Cleaning(), Redirects()),
)
KINDS: Final[dict[str, Kind[Any]]] = {kind.name: kind for kind in _EVERY}
