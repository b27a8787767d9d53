"""Real htmx, old and new, in headless Chromium, against real servers on the loopback interface."""
