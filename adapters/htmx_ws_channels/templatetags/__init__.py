"""Template tags: ``{% load htmx_ws %}``."""
