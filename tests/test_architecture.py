"""What may depend on what: docs/architecture.md as a table, and no circles."""

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

BASE = {"files", "interruption", "_version", "colour", "tiles"}
"""Rooms of `hdrcnn` that import none of the others."""
ROOMS = {
    "hdrcnn": {
        **{room: set[str]() for room in BASE},
        "printed": {"interruption"},
        "models": {"colour"},
        "weights": {"files", "models"},
        "readers": {"colour", "files", "printed", "tiles"},
        "writers": {"colour", "files", "readers"},
        "review": {"colour", "files", "tiles", "writers"},
        "predict": {"colour", "files", "interruption", "models", "tiles", "weights"},
        "batch": BASE | {"printed", "weights", "readers", "predict", "writers", "review"},
        "": BASE | {"weights", "readers", "predict", "writers", "batch"},
        "cli": BASE
        | {"", "printed", "weights", "readers", "predict", "writers", "review", "batch"},
        "__main__": {"cli"},
    },
    "training_code": {
        "scenes": set(),
        "camera": {"scenes"},
        "losses": {"camera"},
        "evaluation": {"scenes", "camera", "losses"},
        "watch": {"evaluation"},
        "tasks": {"scenes", "camera", "losses", "evaluation"},
        "run": {"scenes", "camera", "losses", "watch", "tasks.task"},
    },
}
"""Package to room to the rooms that it may import beside itself; "" is the package itself."""
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in ROOMS
    for path in (ROOT / package).rglob("*.py")
}


def imports(path: Path) -> Iterator[str]:
    """The modules of ours that a file imports anywhere, those for type checking too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in MODULES else node.module


IMPORTS = {name: set(imports(path)) - {name} for name, path in MODULES.items()}


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_only_what_its_room_may(name):
    package, _, inside = name.partition(".")
    room = inside.partition(".")[0]
    commands = package == "training_code" and room not in ROOMS[package]
    for other in IMPORTS[name]:
        home, _, there = other.partition(".")
        if home == package and not commands:
            assert {there, there.partition(".")[0]} & ({room} | ROOMS[package][room]), other
        assert package == "training_code" or home == "hdrcnn", other
        assert commands or there.partition(".")[0] != "cli" or room in ("cli", "__main__"), other


def test_no_module_imports_itself_by_way_of_others():
    assert len(list(graphlib.TopologicalSorter(IMPORTS).static_order())) == len(MODULES) > 100
