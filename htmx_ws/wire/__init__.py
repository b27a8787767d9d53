"""Pure functions between text and data: frames in, messages out. No I/O, no clock, no log."""
