"""Run the page's modules in Node.js on values of a test."""

import json
import shutil
import subprocess
from typing import Any

import numpy as np
import pytest

from tests.conftest import ROOT

SOURCES = ROOT / "web" / "src"


def _plain(value: object) -> Any:
    return value.ravel().tolist() if isinstance(value, np.ndarray) else value


def javascript(module: str, body: str, **values: object) -> Any:
    """Run `body`, the body of an async function of the module `m` and the values `v`, and return
    its result.

    Arrays are passed and returned as flat lists.
    """
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is missing: the page's modules cannot be run")
    script = f"""
    import {{ readFileSync }} from "node:fs";
    import * as m from {json.dumps((SOURCES / module).as_uri())};
    const v = JSON.parse(readFileSync(0, "utf8"));
    const plain = (_, x) => (ArrayBuffer.isView(x) ? Array.from(x) : x);
    const run = async () => {{ {body} }};
    process.stdout.write(JSON.stringify((await run()) ?? null, plain));
    """
    done = subprocess.run(
        [node, "--input-type=module", "-e", script],
        input=json.dumps({name: _plain(value) for name, value in values.items()}),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
