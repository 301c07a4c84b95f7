"""Run a probe page in headless Chromium and return what its promise resolves to.

The page runs in real time and draws frames. The browser is controlled by the DevTools protocol over
two pipes (`--remote-debugging-pipe`), so it opens no port.
"""

import json
import os
import select
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.evaluation.test_report_browser import find_browser

PATIENCE = 120.0
"""Seconds to wait for an answer of the browser."""


class DevTools:
    """Connection for requests and answers, as JSON ended by a zero byte."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self.to_browser, self.from_browser = to_browser, from_browser
        self.rest, self.number = b"", 0

    def ask(
        self,
        method: str,
        session: str | None = None,
        patience: float = PATIENCE,
        **parameters: object,
    ) -> dict[str, Any]:
        """Call a method and return its result. Fails if none arrives within `patience` seconds."""
        self.number += 1
        request: dict[str, Any] = {"id": self.number, "method": method, "params": parameters}
        if session is not None:
            request["sessionId"] = session
        os.write(self.to_browser, json.dumps(request).encode() + b"\0")
        end = time.monotonic() + patience
        while True:
            message, ended, rest = self.rest.partition(b"\0")
            if ended:
                self.rest = rest
                answer = json.loads(message)
                if answer.get("id") == self.number:
                    assert "error" not in answer, answer
                    result: dict[str, Any] = answer["result"]
                    return result
                continue
            left = max(0.0, end - time.monotonic())
            ready, _, _ = select.select([self.from_browser], [], [], left)
            part = os.read(self.from_browser, 1 << 20) if ready else b""
            assert part, f"the browser does not answer {method}"
            self.rest += part


def run_probe(
    probe: str,
    folder: Path,
    width: int = 1000,
    *,
    address: str | None = None,
    flags: Sequence[str] = (),
    patience: float = PATIENCE,
) -> Any:
    """Return what `measure()`, a function of the probe page, resolves to.

    The page can only reach files or, with `address`, this machine. address: URL at which the folder
    is served. flags: further flags for the browser. patience: seconds to wait for the promise.
    """
    folder.mkdir(exist_ok=True)
    place = folder / "probe.html"
    place.write_text(probe, encoding="utf-8")
    ours, theirs = os.pipe(), os.pipe()
    command = [
        find_browser(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
        "--no-first-run", "--disable-background-networking", "--disable-component-update",
        "--disable-sync", "--allow-file-access-from-files", "--force-prefers-reduced-motion",
        "--proxy-server=127.0.0.1:9", "--remote-debugging-pipe",
        f"--user-data-dir={folder / 'profile'}", f"--window-size={width + 100},1000",
        *flags, "about:blank",
    ]  # fmt: skip
    # The browser reads from its descriptor 3 and writes to 4, whatever their numbers are here.
    redirected = f'exec 3<&{ours[0]} 4>&{theirs[1]}; exec "$@"'
    process = subprocess.Popen(
        ["/bin/bash", "-c", redirected, "browser", *command],
        pass_fds=(ours[0], theirs[1]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        os.close(ours[0])
        os.close(theirs[1])
        tools = DevTools(ours[1], theirs[0])
        url = place.as_uri() if address is None else f"{address}/{place.name}"
        target = tools.ask("Target.createTarget", url=url)["targetId"]
        session = tools.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        # The initial empty page may answer the first requests.
        ready = "document.readyState === 'complete' && typeof measure === 'function'"
        while not tools.ask("Runtime.evaluate", session, expression=ready)["result"]["value"]:
            time.sleep(0.05)
        answer = tools.ask(
            "Runtime.evaluate", session, expression="measure()",
            patience=patience, awaitPromise=True, returnByValue=True,
        )  # fmt: skip
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        value = answer["result"]["value"]
        tools.ask("Browser.close")  # Ends all its processes.
        process.wait(PATIENCE)
        return value
    finally:
        process.kill()
        process.wait()
        os.close(ours[1])
        os.close(theirs[0])
