"""Commands of the cards."""
