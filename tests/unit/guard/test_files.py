"""What is read of files that others have written."""

from __future__ import annotations

import pytest

from devpy_pip_guard.files import shebang


@pytest.mark.parametrize(
    ("beginning", "command"),
    [
        (b"#!/base/bin/python3.11\nimport sys\n", ["/base/bin/python3.11"]),
        (b"#!/base/bin/python -sE", ["/base/bin/python", "-sE"]),
        (b"#! /base/bin/python\r\n", ["/base/bin/python"]),
        (b"#!/\xff/bin/python\n", ["/\udcff/bin/python"]),
        (b"#!/usr/bin/env -S python -I\n", ["/usr/bin/env", "-S", "python", "-I"]),
        (b"#!/bin/sh\necho python\n", ["/bin/sh"]),
        (b"#!/bin/sh\n'''exec' /long/python -s \"$0\" \"$@\"\n' '''\n", ["/long/python", "-s", '"$0"', '"$@"']),
        (b'#!/bin/sh\n\'\'\'exec\' "/sp ace/python" "$0" "$@"\n', ["/sp ace/python", '"$0"', '"$@"']),
        (b"#!/bin/sh\n'''exec' '/sp ace/python' \"$0\" \"$@\"\n", ["/sp ace/python", '"$0"', '"$@"']),
        (b'#!/bin/sh\n"exec" "/sp ace/python" "$0" "$@"\n', ["/sp ace/python", '"$0"', '"$@"']),
        (b"#!/bin/sh\n'''exec' \n", [""]),
        (b"#!/bin/bash\n'''exec' /long/python\n", ["/bin/bash"]),
        (b"#!\n", []),
        (b"# !/base/bin/python\n", []),
        (b"\x7fELF", []),
        (b"", []),
    ],
)
def test_command_in_the_first_lines(beginning: bytes, command: list[str]) -> None:
    assert shebang(beginning) == command
