"""Who is signed in, and what they may do: dependencies, of pages and of messages alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from fastapi import Depends, HTTPException
from fastapi.requests import HTTPConnection

__all__ = ["USERS", "CurrentUser", "Operator", "User", "current_user", "operator"]


@dataclass(frozen=True)
class User:
    name: str
    role: Literal["operator", "viewer"]


#: A real project would have passwords, or somebody else's login.
USERS: Final = {
    user.name: user
    for user in (User("Olga", "operator"), User("Otto", "operator"), User("Vera", "viewer"))
}


def current_user(connection: HTTPConnection) -> User:
    """Who it is, by the session's cookie. Whoever is not signed in goes to the login.

    A websocket that this refuses gets the same redirect, and is closed for good.
    """
    user = USERS.get(connection.session.get("user", ""))
    if user is None:
        raise HTTPException(303, headers={"Location": connection.url_for("login").path})
    return user


CurrentUser = Annotated[User, Depends(current_user)]


def operator(user: CurrentUser) -> User:
    if user.role != "operator":
        raise HTTPException(403, f"{user.name}, a {user.role} may not do that: ask an operator.")
    return user


Operator = Annotated[User, Depends(operator)]
