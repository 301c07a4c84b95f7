"""Which module may import which: docs/architecture.md as a table, and no cycles."""

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

BASE = {"files", "console", "cores", "_version", "colour", "tiles"}
"""Modules and subpackages of `hdrcnn` that import none of the others, but for `ALLOWED`."""
ALLOWED = {
    "hdrcnn": {
        **{part: set[str]() for part in BASE},
        "tiles": {"cores"},
        "models": {"colour"},
        "weights": {"files", "models"},
        "readers": {"colour", "files", "console", "tiles"},
        "writers": {"colour", "files", "readers", "tiles"},
        "review": {"colour", "files", "tiles", "writers"},
        "video": {"colour", "files", "console", "readers", "tiles"},
        "predict": {"colour", "files", "console", "models", "tiles", "weights"},
        "batch": BASE | {"weights", "readers", "predict", "writers", "review", "video"},
        "export": {
            "_version",
            "files",
            "console",
            "models",
            "weights",
            "tiles",
            "predict",
            "readers",
        },
        "": BASE | {"weights", "readers", "predict", "writers", "batch"},
        "cli": BASE
        | {"", "weights", "readers", "predict", "writers", "review", "video", "batch", "export"},
        "__main__": {"cli"},
    },
    "training_code": {
        "scenes": set(),
        "camera": {"scenes"},
        "losses": {"camera"},
        "evaluation": {"scenes", "camera", "losses"},
        "watch": {"evaluation"},
        "tasks": {"scenes", "camera", "losses", "evaluation", "watch"},
        "run": {"scenes", "camera", "losses", "watch", "tasks", "tasks.task", "tasks.settings"},
    },
}
"""Imports allowed to each module or subpackage directly below a package, beside itself; "" is the
package itself.
"""
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in ALLOWED
    for path in (ROOT / package).rglob("*.py")
}


def imports(path: Path) -> Iterator[str]:
    """Yield the project's modules that a file imports anywhere, also for type checking."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in MODULES else node.module


IMPORTS = {name: set(imports(path)) - {name} for name, path in MODULES.items()}


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_only_what_its_part_may(name):
    package, _, inside = name.partition(".")
    part = inside.partition(".")[0]
    commands = package == "training_code" and part not in ALLOWED[package]
    for other in IMPORTS[name]:
        home, _, there = other.partition(".")
        if home == package and not commands:
            allowed, of = {part} | ALLOWED[package][part], there.partition(".")[0]
            in_part = any(module.startswith(f"{of}.") for module in allowed)
            assert of == part or there in allowed or (of in allowed and not in_part), other
        assert package == "training_code" or home == "hdrcnn", other
        assert commands or there.partition(".")[0] != "cli" or part in ("cli", "__main__"), other


@pytest.mark.parametrize("name", [name for name in MODULES if name.split(".")[0] == "hdrcnn"])
def test_the_product_needs_no_scipy(name):
    """SciPy would be a third of an environment without TensorFlow. Tests may compare with it."""
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    named = [
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    ]
    named += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert "scipy" not in {one.split(".")[0] for one in named}


def test_imports_have_no_cycles():
    assert len(list(graphlib.TopologicalSorter(IMPORTS).static_order())) == len(MODULES) > 100
