"""A board of cards that everybody sees change: Django, its admin, and htmx's websockets."""
