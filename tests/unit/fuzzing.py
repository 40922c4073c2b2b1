"""What the tests with generated input share: how much of it, the input, and what a refusal has to look like.

`DEVPY_FULL_MATRIX=1` lets every one of these tests see thousands of examples.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from devpy_pip_guard.errors import DevpyError

_PATIENCE_SECONDS = 60  # so that input on which devpy hangs fails its test instead of the whole run

fuzzed = settings(
    max_examples=5000 if os.environ.get("DEVPY_FULL_MATRIX") == "1" else 50,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
"""For tests that tidy up by themselves whatever an example leaves in `tmp_path`."""

NASTY_TEXTS = (
    "",
    " ",
    "\t",
    ".",
    "..",
    "/",
    "~",
    "~nobody-of-this-name/x",
    "a\nb",
    "a\rb",
    "\x1b[31mred",
    "\x07",
    "\x9b2J",
    "\x85",
    "\u2028",
    "\u202egnp.",
    "\u0130\u0131\ufb00ß",
    "\U0001f469\u200d\U0001f52c",
    "a=b",
    "a:b",
    "$HOME/${HOME}",
    "{root}{venv}{base}{",
    "x" * 300,
    "y/" * 2500,
    "null",
    "true",
    "-1",
)
"""Texts that mean something to a terminal, a path, a variable or a format, or are of a length that none takes."""

NASTY_PIECES = (
    b"\0",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",  # half of a surrogate pair
    b"\r",
    b"\n\n",
    b"\x1b[2J",
    b"\xc2\x85\xe2\x80\xa8",
    b'"',
    b"'''",
    b"\\u0000\\ud800",
    b"#",
    b"=",
    b":",
    b"- ",
    b"[" * 3000,
    b"{" * 3000,
    b"a." * 2000,
    b"9" * 5000,
    b"0x" + b"f" * 5000,
    b"1e999",
    b"NaN",
    b"-Infinity",
    b"2026-02-30",
    b"!!python/object/apply:os.getcwd []",
    b"&a [*a]",
    b"<<: *a",
    b"%YAML 9.9",
)
"""What parsers are known to stumble over."""


@st.composite
def mutations(draw: st.DrawFn, documents: Sequence[bytes]) -> bytes:
    """Draw one of some valid documents with pieces of it deleted, repeated, replaced or cut off, or just any bytes."""
    content = draw(st.sampled_from(documents))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(content)))
        end = draw(st.integers(start, min(start + 30, len(content))))
        before, piece, after = content[:start], content[start:end], content[end:]
        by = draw(st.sampled_from(("nothing", "itself", "nasty", "any", "end")))
        if by == "itself":
            piece *= draw(st.integers(2, 50))
        elif by == "nasty":
            piece = draw(st.sampled_from(NASTY_PIECES))
        else:
            piece = draw(st.binary(max_size=8)) if by == "any" else b""
        content = before + piece + (b"" if by == "end" else after)
    return content


def contents(*documents: str) -> st.SearchStrategy[bytes]:
    """Return a strategy for what a file may hold that should hold something like these documents."""
    return mutations([document.encode() for document in documents]) | st.binary(max_size=200)


texts = st.sampled_from(NASTY_TEXTS) | st.text(max_size=12)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts | st.sampled_from((10**4000, -(2**70), "\ud800")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@contextmanager
def only_refusals() -> Iterator[None]:
    """A context that may end with a DevpyError that reads well, but with no other exception, and that has to end."""

    def give_up(_number: int, _frame: FrameType | None) -> None:
        raise AssertionError("hangs")

    previous = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, _PATIENCE_SECONDS)
    refusal = None
    try:
        yield
    except DevpyError as error:
        refusal = error
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    if refusal is not None:
        assert refusal.problem
        assert refusal.problem.isprintable(), refusal.problem  # one line, and nothing that a terminal obeys
        assert len(refusal.problem) < 5000
        assert refusal.mend
        assert all(line.isprintable() for line in refusal.mend.split("\n")), refusal.mend


def listing(folder: Path) -> set[tuple[str, int, int]]:
    """Return path, size in bytes and modification time in nanoseconds of all there is in a folder."""
    entries = ((str(path), path.lstat()) for path in folder.rglob("*"))
    return {(path, status.st_size, status.st_mtime_ns) for path, status in entries}
