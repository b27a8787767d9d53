"""What a browser does with a page, by the standards: its tree, its forms, its events."""
