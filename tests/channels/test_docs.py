"""The page for users of Django says what is so."""

from __future__ import annotations

import ast
import builtins
import re
from pathlib import Path

from django.template import engines

from htmx_ws_channels.conf import DEFAULTS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "django.md").read_text()
BOARD_TEST = (ROOT / "examples" / "channels_board" / "test_board.py").read_text()


def test_its_code_can_be_read() -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 8
    for block in blocks:
        ast.parse(block)
    _, _, code = blocks[-1].partition("\n\n\n")
    assert code in BOARD_TEST, "the last of them is run there"


def test_its_code_imports_what_it_uses() -> None:
    """Each block but for what the page has made before it, or the reader has."""
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        used, made = set[str](), {"application", "http", "line", "live", "request"}
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.Name):
                (used if isinstance(node.ctx, ast.Load) else made).add(node.id)
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                made.add(node.name)
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                made |= {(each.asname or each.name).partition(".")[0] for each in node.names}
            elif isinstance(node, ast.arg):
                made.add(node.arg)
        assert used - made - {*dir(builtins)} == set(), block


def test_its_settings_are_those_that_there_are() -> None:
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| (\S+) \|", PAGE, re.MULTILINE))
    assert rows == {name: str(value) for name, value in DEFAULTS.items()}


def test_its_tags_are_those_that_there_are() -> None:
    named = set(re.findall(r"\{% (htmx_ws_\w+)", PAGE))
    library = engines["django"].engine.template_libraries["htmx_ws"]  # type: ignore[attr-defined]  # a DjangoTemplates
    assert named == set(library.tags)
