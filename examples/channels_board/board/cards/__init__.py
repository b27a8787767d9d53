"""The cards: what they are, how they are shown, and how everybody hears of them."""
