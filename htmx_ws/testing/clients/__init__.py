"""What each htmx does with a page and its sockets, read in its source, held against Chromium."""
