"""Htmx-ws broken on purpose, in one place at a time: the fuzzer finds it within its inputs.

A fuzzer that finds nothing is either good news or no fuzzer. Each of these is a mistake that
somebody could make, or that some library or framework has made.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import re
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from importlib import import_module
from types import MappingProxyType
from typing import Any, Final

import nh3
import pytest
from pydantic_core import from_json

import htmx_ws.answers
import htmx_ws.app
import htmx_ws.binding
import htmx_ws.binding.form
import htmx_ws.lifecycle
import htmx_ws.routing
import htmx_ws.security
import htmx_ws.signing
import htmx_ws.wire.content
import htmx_ws.wire.fragment
import htmx_ws.wire.frame
import htmx_ws.wire.scan
import htmx_ws.wire.selector
import htmx_ws.wire.serialise
import htmx_ws.wire.tree
from htmx_ws.errors import BadSignature, FragmentError
from htmx_ws.wire.content import HTML

from . import handshakes, redirects, sessions
from .course import run
from .growth import FLOODS, bytes_after, bytes_by_input, caches
from .kinds import KINDS
from .test_inputs import SEED, TOTAL

Patch = pytest.MonkeyPatch
frame, selector, serialise = htmx_ws.wire.frame, htmx_ws.wire.selector, htmx_ws.wire.serialise
# The package has a function of this name.
cleaner: Any = import_module("htmx_ws.clean")
security, signing, form = htmx_ws.security, htmx_ws.signing, htmx_ws.binding.form


# --- frames and pages ------------------------------------------------------------------


def a_shape_raises(patch: Patch) -> None:
    recognise = frame._recognise

    def broken(members: dict[str, Any], hint: Any) -> Any:
        if members.get("type") == "request":
            members["request_id"]
        return recognise(members, hint)

    patch.setattr(frame, "_recognise", broken)


def numbers_are_not_looked_at(patch: Patch) -> None:
    patch.setattr(frame, "_is_finite", lambda value: True)


def headers_are_kept_by_their_beginning(patch: Patch) -> None:
    kept: dict[str, Any] = {}
    parse = frame._parse_headers
    patch.setattr(frame, "_parse_headers", lambda text: kept.setdefault(text[:60], parse(text)))


def a_beta_is_known_by_its_body_alone(patch: Patch) -> None:
    recognise = frame._recognise

    def broken(members: dict[str, Any], hint: Any) -> Any:
        if members.keys() == {"headers", "body"} and set(map(type, members.values())) == {dict}:
            return frame.Frame(members["body"], members["headers"], "htmx4beta")
        return recognise(members, hint)

    patch.setattr(frame, "_recognise", broken)


def depth_takes_its_time(patch: Patch) -> None:
    parse = frame.parse

    def broken(text: str, *more: Any) -> Any:
        end = time.thread_time() + 1.1
        while "[[[[[" in text and time.thread_time() < end:
            pass
        return parse(text, *more)

    patch.setattr(frame, "parse", broken)


def every_field_is_text(patch: Patch) -> None:
    patch.setattr(htmx_ws.binding, "exact_type", lambda parameter: str)


def errors_of_lists_are_not_explained(patch: Patch) -> None:
    explain = form._explain

    def broken(error: Any, data: Any, *more: Any, **named: Any) -> Any:
        if isinstance(data, list):
            data = {str(at): one for at, one in enumerate(data)}[""]
        return explain(error, data, *more, **named)

    patch.setattr(form, "_explain", broken)


def what_is_no_frame_ends_the_socket(patch: Patch) -> None:
    page: Any = htmx_ws.lifecycle.Page
    answer = page._answer

    async def broken(self: Any, error: Exception, got: Any, handler: Any) -> None:
        await answer(self, error, got, handler)
        if got is None:
            self.conn.close(1002)

    patch.setattr(page, "_answer", broken)


def a_page_that_goes_leaves_a_task(patch: Patch) -> None:
    page: Any = htmx_ws.lifecycle.Page
    end = page._end

    async def broken(self: Any) -> None:
        tasks.append(asyncio.create_task(asyncio.sleep(60)))
        await end(self)

    tasks: list[asyncio.Task[None]] = []
    patch.setattr(page, "_end", broken)


def sizes_are_not_looked_at(patch: Patch) -> None:
    patch.setattr(htmx_ws.lifecycle, "check_size", lambda text, limits: None)


def errors_are_shown_unescaped(patch: Patch) -> None:
    def broken(template: str, *values: object) -> HTML:
        return HTML(template.format(*values))

    patch.setattr(htmx_ws.answers, "html", broken)


# --- handshakes and tokens -------------------------------------------------------------


def an_origin_may_end_with_the_host(patch: Patch) -> None:
    check = security.check_origin

    def broken(scope: Any, origins: Any = None) -> str | None:
        named = {name.lower(): value for name, value in scope["headers"]}
        if named.get(b"origin", b"").endswith(named.get(b"host", b"")):
            return None
        return check(scope, origins)

    patch.setattr(security, "check_origin", broken)


def a_port_is_not_looked_at(patch: Patch) -> None:
    split = security._split
    patch.setattr(security, "_split", lambda text: (parts := split(text)) and (*parts[:2], 0))


def a_user_is_left_out_of_an_origin(patch: Patch) -> None:
    split = security._split
    patch.setattr(security, "_split", lambda text: split(re.sub(r"(?<=://)[^/]*@", "", text)))


def a_subdomain_needs_no_dot(patch: Patch) -> None:
    def broken(origin: Any, entry: str) -> bool:
        rule = security._split(entry.rstrip("/").replace("*.", ""))
        return rule is not None and origin[1].endswith(rule[1]) and origin[::2] == rule[::2]

    patch.setattr(security, "_matches", broken)


def the_host_is_looked_for_as_it_is_written(patch: Patch) -> None:
    def broken(text: str) -> Any:
        scheme, _, host = text.partition("://")
        name, _, port = host.partition(":")
        return (scheme, name, int(port or 80)) if scheme and port.isdecimal() else None

    patch.setattr(security, "_split", broken)


def every_origin_may_connect(patch: Patch) -> None:
    patch.setattr(htmx_ws.app, "check_origin", lambda scope, origins: None)


def long_numbers_in_a_path_raise(patch: Patch) -> None:
    def broken(self: Any, path: str) -> Any:
        found = self._regex.fullmatch(path)
        made = self._converters
        return found and {name: made[name](text) for name, text in found.groupdict().items()}

    patch.setattr(htmx_ws.routing.Path, "match", broken)


def a_signature_is_compared_by_its_beginning(patch: Patch) -> None:
    patch.setattr(hmac, "compare_digest", lambda one, other: one[:12] == other[:12])


def a_token_is_for_everybody(patch: Patch) -> None:
    made = signing._signature
    patch.setattr(signing, "_signature", lambda key, body, to, *more: made(key, body, "", *more))


def a_token_never_ends(patch: Patch) -> None:
    unsign = signing.unsign

    def broken(keys: Any, token: str, *more: Any) -> str:
        try:
            return unsign(keys, token, *more)
        except BadSignature as error:
            if "time" not in error.reason:
                raise
        encoded = token.partition(".")[0]
        return base64.urlsafe_b64decode(encoded + "==").decode()

    patch.setattr(htmx_ws.app, "unsign", broken)


# --- fragments -------------------------------------------------------------------------


def rows_are_put_into_a_div(patch: Patch) -> None:
    patch.setattr(serialise, "_SUSPECTS", frozenset())


def end_tags_are_not_looked_for(patch: Patch) -> None:
    quick = serialise.quick_text

    def broken(fragment: Any) -> str | None:
        text = quick(replace_ends(fragment))
        return text and text.replace("</\ufffd", "</d")

    def replace_ends(fragment: Any) -> Any:
        if not isinstance(fragment.content, str):
            return fragment
        content = fragment.content.replace("</d", "</\ufffd")
        return htmx_ws.wire.fragment.Fragment(fragment.style, fragment.target, content)

    patch.setattr(serialise, "quick_text", broken)


def a_link_in_a_link_is_taken(patch: Patch) -> None:
    patch.setattr(htmx_ws.wire.tree, "CLASHES", {})


def a_tag_ends_at_the_first_angle(patch: Patch) -> None:
    token = re.compile(r"<(?:(/?)([a-zA-Z][^\s/>]*+)([^>]*)>|(!--|[!?/]|(?=[a-zA-Z])))")
    patch.setattr(htmx_ws.wire.scan, "TOKEN", token)


def what_htmx_rewrites_is_left(patch: Patch) -> None:
    patch.setattr(htmx_ws.wire.serialise, "settle", lambda html: html)


def an_odd_comment_raises(patch: Patch) -> None:
    declaration = htmx_ws.wire.scan._declaration

    def broken(tree: Any, opener: str, at: int) -> int:
        if opener == "?":
            tree.html.index("?>", at)
            raise IndexError
        return declaration(tree, opener, at)

    patch.setattr(htmx_ws.wire.scan, "_declaration", broken)


def space_in_a_selector_stays(patch: Patch) -> None:
    write = selector._write
    patch.setattr(
        selector, "_write", lambda token: " " if token.lastgroup == "space" else write(token)
    )


def an_id_is_put_into_a_selector_as_it_is(patch: Patch) -> None:
    patch.setattr(selector, "_ODD_IN_ID", re.compile("[^A-Za-z0-9_.-]"))


def quotes_are_not_escaped(patch: Patch) -> None:
    def broken(text: str) -> str:
        return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")

    patch.setattr(htmx_ws.wire.content, "escape", broken)


def a_script_may_be_ended_by_a_value(patch: Patch) -> None:
    patch.setattr(htmx_ws.wire.fragment, "_script_json", json.dumps)


def only_plain_javascript_is_refused(patch: Patch) -> None:
    patch.setattr(htmx_ws.wire.fragment, "_SCHEME", re.compile("javascript:"))


def white_space_in_a_scheme_is_kept(patch: Patch) -> None:
    def broken(url: str) -> Any:
        if htmx_ws.wire.fragment._SCHEME.match(url.strip()):
            raise FragmentError("no")
        escaped = url.replace("&", "&amp;").replace('"', "&quot;")
        return htmx_ws.wire.fragment._once(f'<meta http-equiv="refresh" content="0;url={escaped}">')

    patch.setattr(redirects, "redirect", broken)


def attributes_of_data_hx_are_kept(patch: Patch) -> None:
    acts = tuple(one for one in cleaner._ACTS if one != "data-hx-")
    patch.setattr(cleaner, "_ACTS", acts)


def attributes_are_compared_as_they_are_written(patch: Patch) -> None:
    patch.setattr(cleaner, "_ACTS", ("on", "hx-get", "data-hx-get", "ws-", "data-ws-"))


def angles_in_attributes_are_kept(patch: Patch) -> None:
    """As nh3 did before 0.3.7."""
    clean = nh3.clean

    def broken(text: str, **options: Any) -> str:
        def unescape(found: re.Match[str]) -> str:
            return found[0].replace("&lt;", "<").replace("&gt;", ">")

        return re.sub(r'="[^"]*"', unescape, clean(text, **options))

    patch.setattr(nh3, "clean", broken)


BROKEN: Final[list[tuple[str, Callable[[Patch], None]]]] = [
    ("frame", a_shape_raises),
    ("frame", numbers_are_not_looked_at),
    ("frame", headers_are_kept_by_their_beginning),
    ("frame", a_beta_is_known_by_its_body_alone),
    ("frame", depth_takes_its_time),
    ("session", every_field_is_text),
    ("session", errors_of_lists_are_not_explained),
    ("session", what_is_no_frame_ends_the_socket),
    ("session", a_page_that_goes_leaves_a_task),
    ("session", sizes_are_not_looked_at),
    ("session", errors_are_shown_unescaped),
    ("origin", an_origin_may_end_with_the_host),
    ("origin", a_port_is_not_looked_at),
    ("origin", a_user_is_left_out_of_an_origin),
    ("origin", a_subdomain_needs_no_dot),
    ("origin", the_host_is_looked_for_as_it_is_written),
    ("handshake", every_origin_may_connect),
    ("handshake", long_numbers_in_a_path_raise),
    ("handshake", a_token_is_for_everybody),
    ("token", a_signature_is_compared_by_its_beginning),
    ("token", a_token_is_for_everybody),
    ("token", a_token_never_ends),
    ("fragment", rows_are_put_into_a_div),
    ("fragment", end_tags_are_not_looked_for),
    ("fragment", a_link_in_a_link_is_taken),
    ("fragment", a_tag_ends_at_the_first_angle),
    ("fragment", what_htmx_rewrites_is_left),
    ("fragment", an_odd_comment_raises),
    ("selector", space_in_a_selector_stays),
    ("selector", an_id_is_put_into_a_selector_as_it_is),
    ("escape", quotes_are_not_escaped),
    ("escape", a_script_may_be_ended_by_a_value),
    ("redirect", only_plain_javascript_is_refused),
    ("redirect", white_space_in_a_scheme_is_kept),
    ("clean", attributes_of_data_hx_are_kept),
    ("clean", attributes_are_compared_as_they_are_written),
    ("clean", angles_in_attributes_are_kept),
]


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    """Let applications and caches be made while htmx-ws is broken, and not outlive that."""

    def forget() -> None:
        sessions._application.cache_clear()
        handshakes._application.cache_clear()
        for cache in caches():
            cache.cache_clear()

    forget()
    yield
    forget()


@pytest.mark.parametrize(
    ("kind", "breaks"), BROKEN, ids=[f"{kind}-{breaks.__name__}" for kind, breaks in BROKEN]
)
async def test_what_is_broken_is_found(
    kind: str, breaks: Callable[[Patch], None], monkeypatch: Patch
) -> None:
    breaks(monkeypatch)
    course = await run([KINDS[kind]], TOTAL, SEED, stops=True)
    assert len(course.findings) == 1


# --- what stays ------------------------------------------------------------------------


async def test_frames_that_are_kept_are_found(monkeypatch: Patch) -> None:
    kept: list[Any] = []
    parse = frame.parse

    def broken(*args: Any) -> Any:
        kept.append(parse(*args))
        return kept[-1]

    monkeypatch.setattr(frame, "parse", broken)
    assert await bytes_by_input(KINDS["frame"], SEED, 60) > 400


async def test_a_cache_of_long_texts_is_found(monkeypatch: Patch) -> None:
    @lru_cache(maxsize=1024)
    def broken(text: str) -> Any:
        return MappingProxyType(from_json(text[:-1]))

    monkeypatch.setattr(frame, "_parse_headers", broken)
    flood = FLOODS["long headers"]
    assert await bytes_after(flood._replace(inputs=10)) > flood.most
