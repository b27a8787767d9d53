"""An input that was found can be had again: in another process, alone, by its name."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from . import frames
from .__main__ import main, show
from .course import run, run_one
from .kind import random_of
from .kinds import KINDS

ROOT = Path(__file__).parents[2]
PRINT = """
from tests.fuzz.test_reruns import digest
print(digest())
"""


def digest() -> str:
    """Give what some inputs of each kind come to."""
    made = [
        repr(kind.make(random_of(name, 7, index)))
        for name, kind in KINDS.items()
        for index in range(40)
    ]
    return hashlib.sha256("\n".join(made).encode("utf-8", "surrogatepass")).hexdigest()


def test_inputs_are_the_same_in_another_process() -> None:
    code = [sys.executable, "-c", PRINT]
    path = f"{ROOT}:{ROOT / 'adapters'}"
    environment = {"PYTHONHASHSEED": "99", "PYTHONPATH": path, "PATH": ""}
    done = subprocess.run(code, capture_output=True, text=True, env=environment, cwd=ROOT)
    assert done.stdout.strip() == digest(), done.stderr


async def test_a_finding_names_its_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "_shape", lambda members, hint: ({}, {}, "raw"))
    course = await run([KINDS["frame"]], 1_000, 5)
    finding = course.findings[-1]
    kind, seed, index = finding.name.split(":")
    given, again = await run_one(KINDS[kind], int(seed), int(index))
    assert given == finding.given
    assert again is not None
    assert again.cause == finding.cause
    assert f"--only {finding.name}\n{given!r}"[:200] in show(finding)


def test_the_long_form_tells_how_to_have_it_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["fuzz", "400", "--kind", "frame", "--seed", "5"])
    assert main() == 0
    assert "104 inputs, 0 causes" in capsys.readouterr().out
    monkeypatch.setattr(frames, "_shape", lambda members, hint: ({}, {}, "raw"))
    assert main() == 1
    shown = capsys.readouterr().out
    name = shown.partition("--only ")[2].split()[0]
    monkeypatch.setattr(sys, "argv", ["fuzz", "--only", name])
    assert main() == 1
    assert f"--only {name}" in capsys.readouterr().out
    monkeypatch.undo()
    monkeypatch.setattr(sys, "argv", ["fuzz", "--only", name])
    assert main() == 0
