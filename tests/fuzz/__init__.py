"""Inputs from outside, made to be wrong in the ways that their grammar allows.

Random bytes are refused at the first of them, so every kind of input is made by its own grammar
and mutated within it: a frame is JSON that htmx could have written, nearly. Each kind says what
must hold of an answer, by rules of its own that share no code with what they check.

    python -m pytest tests/fuzz              10,000 inputs, the same in every run
    python -m tests.fuzz 200000 --seed 7     the long form, which prints what it finds
    python -m tests.fuzz --only frame:7:123  one input again
"""
