"""Migrations of the cards."""
