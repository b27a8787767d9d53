"""Applications whose pages are in one room, each with what its framework has for Redis.

Each is made by a function without arguments, as ``uvicorn --factory`` calls it, and does no more
than put its pages into the room. ``BENCH_REDIS`` is the address.
"""

from __future__ import annotations

import os
from typing import Any, Final

from htmx_ws import Connection, HtmxWS
from htmx_ws.types import ASGIApp

ROOM: Final = "room"
PREFIX: Final = "bench"

CORE_LAYER: Final = "channels_redis.core.RedisChannelLayer"
PUBSUB_LAYER: Final = "channels_redis.pubsub.RedisPubSubChannelLayer"


def by_htmx_ws(history: int = 0) -> ASGIApp:
    live = HtmxWS(backend=os.environ["BENCH_REDIS"])
    live.room(ROOM, history=history)

    async def joined(conn: Connection) -> None:
        await conn.join(ROOM)

    live.ws("/room", conn=joined)(lambda: None)
    return live


def by_htmx_ws_keeping() -> ASGIApp:
    return by_htmx_ws(history=1_000)


def litestar_backend(url: str) -> Any:
    from litestar.channels.backends.redis import RedisChannelsPubSubBackend
    from redis.asyncio import Redis

    return RedisChannelsPubSubBackend(redis=Redis.from_url(url))


def by_litestar() -> Any:
    from litestar import Litestar
    from litestar.channels import ChannelsPlugin

    backend = litestar_backend(os.environ["BENCH_REDIS"])
    plugin = ChannelsPlugin(backend=backend, channels=[ROOM], create_ws_route_handlers=True)
    return Litestar(plugins=[plugin], openapi_config=None)


def channel_layer(name: str, url: str) -> Any:
    from django.utils.module_loading import import_string

    return import_string(name)(hosts=[url])


def _by_channels(layer: str) -> Any:
    from channels.generic.websocket import AsyncWebsocketConsumer
    from channels.routing import ProtocolTypeRouter
    from django.conf import settings

    config = {"hosts": [os.environ["BENCH_REDIS"]]}
    settings.configure(CHANNEL_LAYERS={"default": {"BACKEND": layer, "CONFIG": config}})

    class Page(AsyncWebsocketConsumer):
        groups = [ROOM]  # noqa: RUF012

        async def say(self, event: dict[str, Any]) -> None:
            await self.send(text_data=event["text"])

    return ProtocolTypeRouter({"websocket": Page.as_asgi()})


def by_channels() -> Any:
    return _by_channels(CORE_LAYER)


def by_channels_pubsub() -> Any:
    return _by_channels(PUBSUB_LAYER)
