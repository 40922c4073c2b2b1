from __future__ import annotations

import os
import pty
import subprocess
import sys
import termios
from io import StringIO

import pytest

from devpy_runner.overlay.progress import Progress

PROGRAM = """
from devpy_runner.overlay.progress import Progress

progress = Progress()
progress.live("installing alpha")
progress.live("installing beta and a good deal more than fits into the line")
progress.note("installed alpha")
progress.live("installing gamma")
progress.done()
progress.done()
"""


def on_terminal(columns: int) -> str:
    """Return what a terminal of that width is sent."""
    controller, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, columns)) if sys.version_info >= (3, 11) else None
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], stderr=terminal, stdout=subprocess.DEVNULL)
    os.close(terminal)
    received = b""
    while True:
        try:
            chunk = os.read(controller, 4096)
        except OSError:  # Linux, when the other side is closed
            break
        if not chunk:
            break
        received += chunk
    os.close(controller)
    assert process.wait() == 0
    return received.decode()


def screen(sent: str) -> list[str]:
    """Return the lines that stay on a screen: `\\r\\x1b[K` clears the current one."""
    return [line.rpartition("\r\x1b[K")[2].strip("\r") for line in sent.split("\n")]


def test_terminal_keeps_the_notes_alone() -> None:
    sent = on_terminal(80)
    assert "installing alpha" in sent
    assert "installing gamma" in sent
    assert screen(sent) == ["devpy: installed alpha", ""]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="no termios.tcsetwinsize")
@pytest.mark.parametrize("columns", [1, 20])
def test_live_line_never_wraps(columns: int) -> None:
    sent = on_terminal(columns)
    live = [part for part in sent.replace("\n", "\r\x1b[K").split("\r\x1b[K") if part.startswith("d")]
    assert live
    assert all(len(part) < max(columns, 2) for part in live if "installed" not in part)
    assert screen(sent) == ["devpy: installed alpha", ""]


def test_no_live_line_but_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    progress = Progress()
    progress.live("installing alpha")
    progress.note("installed alpha")
    progress.live("installing beta")
    progress.done()
    assert stream.getvalue() == "devpy: installed alpha\n"


@pytest.mark.parametrize("text", ["ä €", os.fsdecode(b"/repo/\xff")])
def test_path_that_stderr_cannot_hold(text: str) -> None:
    code = f"from devpy_runner.overlay.progress import Progress; Progress().note({text!r})"
    environ = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, env=environ)
    assert done.returncode == 0
    assert done.stderr.startswith(b"devpy: ")
