"""``python -m htmx_ws``: what it sends, what it says, and the status with which it ends."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

import htmx_ws.__main__ as main_module
from htmx_ws import BadSignature
from htmx_ws.__main__ import main
from htmx_ws.signing import unsign

SECRET = "a secret of these tests"


@dataclass
class Site:
    """An HTTP server on the loopback interface, that answers every POST as it is told to."""

    url: str = ""
    status: int = 200
    text: str = "drained 12 pages\n"
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str | None, bytes]] = field(default_factory=list)
    may_answer: threading.Event = field(default_factory=threading.Event)


class Answers(BaseHTTPRequestHandler):
    """Answers as the site says."""

    site: ClassVar[Site]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.site.asked.append((self.path, self.headers["authorization"], body))
        self.site.may_answer.wait(10)
        if self.site.status:
            self.send_response(self.site.status)
            for name, value in self.site.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(self.site.text.encode())

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("HTMX_WS_SECRET", SECRET)
    serving = Site()
    serving.may_answer.set()
    handler = type("TheseAnswers", (Answers,), {"site": serving})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        serving.url = f"http://127.0.0.1:{server.server_port}/ready"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield serving
        serving.may_answer.set()
        server.shutdown()
        thread.join()


Run = Any


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command; give its status, and all that it said, on the stream that goes with that."""

    def run_it(*arguments: str) -> tuple[int, str]:
        status = main(arguments)
        said = capsys.readouterr()
        assert (said.err if status == 0 else said.out) == ""
        return status, (said.out if status == 0 else said.err)

    return run_it


def test_it_asks_once_with_a_token_and_says_how_many_pages_went(site: Site, run: Run) -> None:
    assert run("drain", site.url) == (0, "drained 12 pages\n")
    ((path, authorization, body),) = site.asked
    assert (path, body) == ("/ready", b"")
    scheme, _, token = str(authorization).partition(" ")
    assert scheme == "Bearer"
    assert unsign((SECRET.encode(),), token, "", "drain") == "drain"
    with pytest.raises(BadSignature):
        unsign((SECRET.encode(),), token, "")


def test_no_proxy_of_the_environment_is_asked(
    site: Site, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert run("drain", site.url)[0] == 0


def test_the_secret_may_be_in_another_variable(
    site: Site, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HTMX_WS_SECRET")
    monkeypatch.setenv("APP_KEY", "another secret of these tests")
    assert run("drain", site.url, "--secret-env", "APP_KEY")[0] == 0
    token = str(site.asked[0][1]).split()[1]
    assert unsign((b"another secret of these tests",), token, "", "drain")


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        (None, "HTMX_WS_SECRET is not set: it has to hold what HtmxWS(secret=...) got"),
        ("", "HTMX_WS_SECRET is not set"),
        ("too short", "HTMX_WS_SECRET: A secret has fewer than 16 bytes"),
    ],
)
def test_without_a_secret_it_says_what_is_missing(
    secret: str | None, said: str, site: Site, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HTMX_WS_SECRET")
    if secret is not None:
        monkeypatch.setenv("HTMX_WS_SECRET", secret)
    status, text = run("drain", site.url)
    assert status == 1
    assert text.startswith(f"python -m htmx_ws: {said}")
    assert site.asked == []


@pytest.mark.parametrize("url", ["127.0.0.1:8000/ready", "file:///dev/null", ""])
def test_what_is_no_address_is_not_asked(url: str, site: Site, run: Run) -> None:
    status, text = run("drain", url)
    assert status == 1
    assert f"{url!r} is no address such as http://127.0.0.1:8000/ready." in text


@pytest.mark.parametrize(
    ("status", "answer", "said"),
    [
        (403, "Not drained.\n", "answers 403: Not drained.\n"),
        (404, "Not found", "answers 404: Not found\n"),
        (503, "x" * 1000, f"answers 503: {'x' * 200}\n"),
        (200, "<h1>Hello</h1>", "is not live.readiness, which would not answer '<h1>Hello</h1>'."),
        (0, "", "does not answer: "),
    ],
)
def test_what_did_not_drain_is_a_failure(
    status: int, answer: str, said: str, site: Site, run: Run
) -> None:
    site.status, site.text = status, answer
    ended, text = run("drain", site.url)
    assert ended == 1
    assert text.startswith(f"python -m htmx_ws: {site.url} {said}")
    assert text.count("\n") == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_with_the_token(status: int, site: Site, run: Run) -> None:
    site.status, site.headers = status, {"location": f"{site.url}/"}
    assert run("drain", site.url) == (
        1,
        f"python -m htmx_ws: {site.url} leads to {site.url}/: give the address that it leads to.\n",
    )
    assert len(site.asked) == 1


def test_an_answer_that_takes_too_long_is_not_waited_for(site: Site, run: Run) -> None:
    site.may_answer.clear()
    status, text = run("drain", site.url, "--timeout", "0.05")
    assert status == 1
    assert f"{site.url} did not answer in 0.05 s (--timeout)" in text
    assert len(site.asked) == 1


def test_a_connection_that_takes_too_long_is_not_waited_for(
    site: Site, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(*args: object, **options: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", hang)
    assert "did not answer in 30 s" in run("drain", site.url)[1]


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/ready", "http://127.0.0.1:x/", "http://[/"])
def test_where_nobody_listens_it_says_so(url: str, site: Site, run: Run) -> None:
    status, text = run("drain", url)
    assert status == 1
    assert text.startswith(f"python -m htmx_ws: {url} does not answer: ")


def test_as_a_module_it_ends_with_its_status(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As ``python -m`` runs it: runpy does not go with pytest's way of importing plugins."""
    file = str(main_module.__file__)
    code = compile(Path(file).read_text(), file, "exec")
    monkeypatch.setattr(sys, "argv", ["", "drain", site.url])
    with pytest.raises(SystemExit) as ended:
        exec(code, {"__name__": "__main__", "__package__": "htmx_ws", "__file__": file})
    assert ended.value.code == 0
    assert capsys.readouterr().out == "drained 12 pages\n"


@pytest.mark.parametrize("arguments", [[], ["drain"], ["nothing"], ["drain", "x", "--timeout=x"]])
def test_what_it_does_not_understand_it_explains(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: python -m htmx_ws" in capsys.readouterr().err


def test_help_says_how_it_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["drain", "--help"])
    said = capsys.readouterr().out
    assert "HTMX_WS_SECRET" in said
    assert "(30)" in said
