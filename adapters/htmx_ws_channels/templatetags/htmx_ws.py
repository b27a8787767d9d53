"""``{% load htmx_ws %}``: the scripts, and the attributes of what connects and sends.

{% htmx_ws_scripts %}
<div {% htmx_ws_connect "chat" room=room.slug %}>
  <form id="say" {% htmx_ws_send %}> ... </form>
  <form hx-post="{% url 'save' %}">{% csrf_token %}{% htmx_ws_page %} ... </form>
</div>
"""

from __future__ import annotations

from typing import Any

from django import template
from django.template import Context

from .. import tags

__all__ = ["register"]

register = template.Library()


@register.simple_tag(takes_context=True, name="htmx_ws_scripts")
def _scripts(context: Context, htmx: Any = None, nonce: Any = None) -> str:
    return tags.script_tags(context, htmx, nonce=nonce)


@register.simple_tag(takes_context=True, name="htmx_ws_connect")
def _connect(context: Context, to: Any, **params: Any) -> str:
    return tags.connect(context, to, **params)


@register.simple_tag(name="htmx_ws_send")
def _send() -> str:
    return tags.send()


@register.simple_tag(takes_context=True, name="htmx_ws_page")
def _page(context: Context) -> str:
    return tags.page(context)
