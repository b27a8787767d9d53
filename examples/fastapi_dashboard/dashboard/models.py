"""The database: what was done, by whom."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Final

from fastapi import Depends
from sqlalchemy import create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

__all__ = ["DbSession", "Entry", "database", "get_session", "latest_entries"]


class Base(DeclarativeBase):
    pass


class Entry(Base):
    """A line of the audit log."""

    __tablename__ = "entries"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(default=datetime.now)
    who: Mapped[str]
    what: Mapped[str]


sessions: Final = sessionmaker(expire_on_commit=False)


@contextmanager
def database() -> Iterator[None]:
    """Open the database of $DATABASE_URL, else a file here, for as long as the server runs."""
    engine = create_engine(os.environ.get("DATABASE_URL", "sqlite:///fleet.db"))
    Base.metadata.create_all(engine)
    sessions.configure(bind=engine)
    try:
        yield
    finally:
        engine.dispose()


def get_session() -> Iterator[Session]:
    """Give each request, and each message of a page, a session of its own, and close it."""
    with sessions() as session:
        yield session


DbSession = Annotated[Session, Depends(get_session)]


def latest_entries(session: Session) -> Sequence[Entry]:
    """The end of the audit log, oldest first."""
    latest = select(Entry).order_by(Entry.id.desc()).limit(50)
    return session.scalars(latest).all()[::-1]
