"""A module that fails when it is imported."""

raise ValueError("it does not work")
