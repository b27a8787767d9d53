"""The application: its pages, its login, and what runs as long as it does."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Literal

from fastapi import Depends, FastAPI, Form, HTTPException, Request, Response
from fastapi.responses import FileResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from starlette.middleware.sessions import SessionMiddleware

from .auth import USERS, CurrentUser, current_user
from .fleet import fleet
from .live import live, templates, watch
from .models import DbSession, database, latest_entries

__all__ = ["app"]

HERE = Path(__file__).parent


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    with database():
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(watch())
            yield
            watching.cancel()


app = FastAPI(lifespan=lifespan)
app.add_middleware(
    SessionMiddleware,
    # One of your own keeps people signed in when the server is started again.
    secret_key=os.environ.get("SECRET_KEY") or secrets.token_urlsafe(),
    session_cookie="dashboard",
)
app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
# Whoever is not signed in has no socket.
app.include_router(live.router, prefix="/live", dependencies=[Depends(current_user)])


@app.get("/")
def home(
    request: Request, user: CurrentUser, session: DbSession, htmx: Literal["1", "2", "4"] = "4"
) -> Response:
    context = {
        "user": user,
        "fleet": fleet,
        "entries": latest_entries(session),
        "htmx": int(htmx),
        "static": f"/htmx-{htmx}" if NPM.is_dir() else None,  # None: from the CDN
    }
    return templates.TemplateResponse(request, "board.html", context)


@app.get("/login")
def login(request: Request) -> Response:
    return templates.TemplateResponse(request, "login.html", {"users": USERS.values()})


@app.post("/login")
def sign_in(request: Request, user: Annotated[str, Form()]) -> Response:
    if user not in USERS:
        raise HTTPException(403)
    request.session["user"] = user
    return RedirectResponse(request.url_for("home"), 303)


@app.post("/logout")
def sign_out(request: Request) -> Response:
    request.session.clear()
    return RedirectResponse(request.url_for("login"), 303)


# A checkout of htmx-ws has files of every htmx; there, none is asked of the CDN.
NPM = HERE.parents[2] / "tests" / "npm" / "node_modules"


@app.get("/htmx-{htmx}/{name}")
def htmx_file(htmx: Literal["1", "2", "4"], name: str) -> Response:
    folders = (f"htmx-{htmx}/dist", f"htmx-{htmx}/dist/ext", "htmx-ext-ws/dist")
    files = [NPM / folder / name for folder in folders]
    found = next((file for file in files if file.is_file()), None)
    return Response(status_code=404) if found is None else FileResponse(found)
