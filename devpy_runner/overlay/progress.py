"""What devpy tells its user while it works: lines on stderr, a live one on a terminal."""

from __future__ import annotations

import os
import sys

from ..messages import tell


class Progress:
    """Prints notes, and on a terminal one line that is rewritten while something takes its time."""

    def __init__(self) -> None:
        self._stream = sys.stderr
        self._is_live = self._stream is not None and self._stream.isatty()
        self._shown = False

    def note(self, text: str) -> None:
        """Print a line that stays."""
        self._clear()
        tell(text)

    def live(self, text: str) -> None:
        """Show a line until the next one comes, on a terminal only."""
        if not self._is_live:
            return
        self._clear()
        width = os.get_terminal_size(self._stream.fileno()).columns or 80
        print(f"devpy: {text}"[: max(width - 1, 1)], end="", file=self._stream, flush=True)
        self._shown = True

    def done(self) -> None:
        """Take the live line away."""
        self._clear()

    def _clear(self) -> None:
        if self._shown:
            print("\r\x1b[K", end="", file=self._stream, flush=True)
            self._shown = False
