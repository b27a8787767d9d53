"""A first page by htmx-ws[channels], and what it is said and answers."""

import asyncio
import os
from typing import assert_type

from django.core.asgi import get_asgi_application

import htmx_ws_channels
from htmx_ws import HTML, html
from htmx_ws.testing import Socket

# A Django project in one file.
os.environ["DJANGO_SETTINGS_MODULE"] = __name__
ALLOWED_HOSTS = ["testserver"]
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "htmx_ws_channels"]
SECRET_KEY = "an example's"
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
site = get_asgi_application()

live = htmx_ws_channels.HtmxWS()
assert_type(live, htmx_ws_channels.HtmxWS)


@live.ws("hello/<slug:room>/")
def hello(name: str, room: str) -> HTML:
    return html('<p id="hello">Hello {}, this is {}</p>', name, room)


async def visit() -> None:
    async with Socket(live.application(http=site), "/hello/lobby/") as page:
        await page.send(name="<Ann>")
        assert "Hello &lt;Ann&gt;, this is lobby" in await page.receive()
    assert_type(hello("Ann", "lobby"), HTML)


asyncio.run(visit())
