"""The command that devpy becomes has whatever it would have without devpy: pid, terminal, signals, files, limits."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from .commands import Devpy, clean_environ
from .environments import MakeCondaEnv
from .projects import MakeRepository

Environ = dict[str, str]  # the variables of a process
Words = Sequence[object]  # of a command line: str, bytes or Path
Process = subprocess.Popen[bytes]

BASES = {
    "plain": ("shared", ("pip", "setuptools", "wheel", "pytest")),
    "activation-scripts": ("run", ("pip", "activation-scripts")),
}
DEVPY = (sys.executable, "-m", "devpy_runner")
HANGS_SECONDS = 60  # after which a program that should have ended fails its test
FOR_EVER = "1000"  # seconds

# Writes what it has got from its caller to the file that its first argument names.
TELL = """\
import fcntl, json, os, resource, signal, sys

def descriptor(number):
    try:
        status = os.fstat(number)
    except OSError:
        return None
    return status.st_dev, status.st_ino, fcntl.fcntl(number, fcntl.F_GETFL), os.get_inheritable(number)

told = {
    "descriptors": {number: descriptor(number) for number in range(300)},
    "ignored": [n for n in signal.valid_signals() if signal.getsignal(n) == signal.SIG_IGN],
    "handled": [n for n in signal.valid_signals() if callable(signal.getsignal(n))],
    "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
    "umask": os.umask(0),
    "niceness": os.nice(0),
    "limits": [resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT_")],
    "ids": [os.getuid(), os.geteuid(), os.getgid(), os.getegid(), os.getgroups()],
    "session": os.getsid(0) == os.getpid(),
    "group": os.getpgid(0) == os.getpid(),
    "parent": os.getppid(),
}
with open(sys.argv[1], "w") as stream:
    json.dump(told, stream)
"""

# Programs and shell snippets that start the command which is in their arguments, each in a way of its own.
BLOCK_SIGNALS = """\
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGINT])
os.execv(sys.argv[1], sys.argv[1:])
"""
CALLERS: dict[str, Sequence[str]] = {
    "as it is": ["env"],
    "umask": ["bash", "-c", 'umask 027; exec "$@"', "-"],
    "few files": ["bash", "-c", 'ulimit -n 40; exec "$@"', "-"],
    "limits": ["bash", "-c", 'ulimit -c 0; ulimit -S -s 4096; ulimit -t 500; exec "$@"', "-"],
    "niceness": ["nice", "-n", "5"],
    "nohup": ["nohup"],
    "ignored signals": ["bash", "-c", "trap '' INT QUIT TERM HUP USR1 CHLD TSTP; exec \"$@\"", "-"],
    "blocked signals": [sys.executable, "-c", BLOCK_SIGNALS],
    "session": [sys.executable, "-c", "import os, sys; os.setsid(); os.execv(sys.argv[1], sys.argv[1:])"],
    "open files": ["bash", "-c", 'exec "$@" 3</dev/null 4>/dev/null 10</dev/zero 255>>/dev/null', "-"],
    "no input": ["bash", "-c", 'exec "$@" <&-', "-"],
    "no output": ["bash", "-c", 'exec "$@" >&-', "-"],
    "no error output": ["bash", "-c", 'exec "$@" 2>&-', "-"],
    "none of the three": ["bash", "-c", 'exec "$@" <&- >&- 2>&-', "-"],
}


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory, pip_cache: Path, conda_root: Path) -> Environ:
    """One for the whole module, whose tests share worktrees, and with a terminal of the simplest kind."""
    home = tmp_path_factory.mktemp("home")
    return {
        **clean_environ(home, pip_cache),
        "CONDA_ENVS_DIRS": str(conda_root / "envs"),
        "PYTHON_BASIC_REPL": "1",
        "TERM": "dumb",
    }


@pytest.fixture(scope="module", params=list(BASES))
def root(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    make_conda_env: MakeCondaEnv,
    environ: Environ,
) -> Path:
    """A worktree whose overlay is current; its base has activation scripts, for which devpy needs a shell, or none."""
    name, packages = BASES[request.param]
    base = make_conda_env(name, packages=packages)
    files = {"devpy.toml": f'[python]\nbase_conda_env = "{base.name}"\n'}
    path = MakeRepository(environ)(tmp_path_factory.mktemp("transparent") / "main", files=files)
    assert Devpy(environ)("update-editables", cwd=path).code == 0
    return path


@contextmanager
def started(command: Words, root: Path, environ: Environ, *, pass_fds: Sequence[int] = ()) -> Iterator[Process]:
    """Start a program, between three pipes; it is killed in the end."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        _words(command), cwd=root, env=environ, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, pass_fds=pass_fds
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def ended(command: Words, root: Path, environ: Environ, stdin: bytes = b"") -> tuple[int, bytes, bytes]:
    """Run a program until nobody holds its output any more, and return its code and what it has printed."""
    process = subprocess.run(
        _words(command), cwd=root, env=environ, input=stdin, capture_output=True, check=False, timeout=HANGS_SECONDS
    )
    return process.returncode, process.stdout, process.stderr


def shell(script: str, root: Path, environ: Environ) -> str:
    """Return what bash prints, with `devpy` defined, on both its outputs."""
    prelude = f'devpy() {{ {shlex.join(DEVPY)} "$@"; }}; export -f devpy; exec 2>&1\n'
    code, out, _ = ended(["bash", "-c", prelude + script], root, environ)
    assert code == 0
    return out.decode()


def _words(command: Words) -> list[bytes]:
    return [word if isinstance(word, bytes) else os.fsencode(str(word)) for word in command]


def read_line(process: Process) -> bytes:
    assert process.stdout is not None
    return process.stdout.readline()


class Terminal:
    """A program on a pseudo-terminal of its own, which is its controlling terminal."""

    # A program takes a controlling terminal for itself.
    _TAKE = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])"

    def __init__(self, command: Words, root: Path, environ: Environ, size: tuple[int, int] = (24, 80)) -> None:
        self._keyboard, terminal = pty.openpty()
        self.resize(*size)
        self._process = subprocess.Popen(
            [sys.executable.encode(), b"-c", self._TAKE.encode(), *_words(command)],
            cwd=root, env=environ, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True,
        )  # fmt: skip
        os.close(terminal)
        self._unread = ""
        self.pid = self._process.pid

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._keyboard, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text: str) -> None:
        os.write(self._keyboard, text.encode())

    def press(self, letter: str) -> None:
        """Press a letter together with Ctrl."""
        self.type(chr(ord(letter.upper()) - ord("@")))

    def expect(self, text: str) -> str:
        """Wait until the text is on the screen, and return what was there before it."""
        while text not in self._unread:
            more = self._read()
            assert more, f"{text!r} does not come after {self._unread!r}"
            self._unread += more
        before, _, self._unread = self._unread.partition(text)
        return before

    def rest(self) -> str:
        """Return what comes until the program has ended."""
        while more := self._read():
            self._unread += more
        return self._unread

    def wait(self) -> int:
        return self._process.wait(HANGS_SECONDS)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._keyboard)

    def _read(self) -> str:
        ready, _, _ = select.select([self._keyboard], [], [], HANGS_SECONDS)
        assert ready, f"nothing comes after {self._unread!r}"
        try:
            return os.read(self._keyboard, 4096).decode()
        except OSError:  # EIO: nobody has the terminal open any more
            return ""


@contextmanager
def terminal(command: Words, root: Path, environ: Environ, size: tuple[int, int] = (24, 80)) -> Iterator[Terminal]:
    screen = Terminal(command, root, environ, size)
    try:
        yield screen
    finally:
        screen.close()


# What it has from its caller.


@pytest.mark.parametrize("caller", CALLERS)
def test_everything_that_a_process_inherits(root: Path, tmp_path: Path, environ: Environ, caller: str) -> None:
    told = []
    for name, devpy in (("without", []), ("with", DEVPY)):
        file = tmp_path / name
        # By its path: an env, nohup or nice looks up the program on the caller's PATH.
        command = [*CALLERS[caller], *devpy, root / ".venv/bin/python", "-c", TELL, file]
        # /dev/null, since pipes would be other ones each time.
        subprocess.run(
            _words(command), cwd=root, env=environ, check=True, timeout=HANGS_SECONDS,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        told.append(json.loads(file.read_text("utf-8")))
    without, with_devpy = told
    assert with_devpy == without


def test_pid_and_program(root: Path, environ: Environ) -> None:
    code = "import os; print(os.getpid(), os.getppid(), flush=True); input()"
    with started([*DEVPY, "python", "-c", code], root, environ) as process:
        assert read_line(process).split() == [b"%d" % process.pid, b"%d" % os.getpid()]


def test_open_file_can_be_used(root: Path, environ: Environ) -> None:
    reading, writing = os.pipe()
    with started([*DEVPY, "bash", "-c", f"echo through >&{writing}"], root, environ, pass_fds=[writing]) as process:
        os.close(writing)
        assert process.wait(HANGS_SECONDS) == 0
    with open(reading, "rb") as stream:
        assert stream.read() == b"through\n"


ARGUMENTS = [
    b"", b" ", b"two words", b"two\nlines\n", b"\t", b"'", b'"', b"\\", b"\\n", b"a'b\"c", b"*", b"?", b"[a-z]", b"~",
    b"$HOME", b"$(echo x)", b"`echo x`", b"${x}", b"!!", b"a;b", b"a&b", b"a|b", b"<x", b">x", b"#x", b"-x", b"--",
    b"--no-sync", b"x=y", b"{a,b}", b"%s", b"\xc3\xa9", b"\xff\xfe", b"\x80", bytes(range(1, 256)), b"x" * 100_000,
]  # fmt: skip


@pytest.mark.parametrize("locale", ["C.UTF-8", "C", "POSIX"])
def test_arguments(root: Path, environ: Environ, locale: str) -> None:
    code = "import os, sys; sys.stdout.buffer.write(b'\\0'.join(map(os.fsencode, sys.argv[1:])))"
    result = ended([*DEVPY, "python", "-c", code, *ARGUMENTS], root, {**environ, "LC_ALL": locale})
    assert result == (0, b"\0".join(ARGUMENTS), b"")


def test_many_arguments(root: Path, environ: Environ) -> None:
    many = [b"%05d" % number for number in range(20_000)]
    assert ended([*DEVPY, "printf", "%s ", *many], root, environ) == (0, b"".join(b"%s " % word for word in many), b"")


# Standard streams.


def test_large_binary_input_and_output(root: Path, environ: Environ) -> None:
    data = os.urandom(3_000_000)
    assert ended([*DEVPY, "cat"], root, environ, stdin=data) == (0, data, b"")


def test_input_is_left_for_the_next_reader(root: Path, environ: Environ) -> None:
    assert (
        shell("printf 'a\\nb\\n' | { devpy true; devpy sh -c 'read x; echo got $x'; cat; }", root, environ)
        == "got a\nb\n"
    )
    (root / "input").write_text("a\nb\n", encoding="utf-8")
    assert shell("{ devpy true; cat; } <input", root, environ) == "a\nb\n"


def test_conversation_through_pipes(root: Path, environ: Environ) -> None:
    """Nothing is held back, and the outputs are two."""
    script = 'printf "name? "; printf "hm " >&2; read name; echo "hello $name"'
    with started([*DEVPY, "sh", "-c", script], root, environ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(6) == b"name? "
        assert process.stderr.read(3) == b"hm "
        process.stdin.write(b"you\n")
        assert process.stdout.read() == b"hello you\n"
        assert process.stderr.read() == b""
        assert process.wait(HANGS_SECONDS) == 0


def test_outputs_may_be_one_file(root: Path, environ: Environ) -> None:
    script = "devpy sh -c 'echo 1; echo 2 >&2; echo 3' >log 2>&1; devpy echo 4 >>log; cat log"
    assert shell(script, root, environ) == "1\n2\n3\n4\n"


# How it ends.


@pytest.mark.parametrize("code", [0, 1, 2, 3, 64, 126, 127, 128, 130, 137, 143, 254, 255])
def test_exit_code(root: Path, environ: Environ, code: int) -> None:
    assert ended([*DEVPY, "sh", "-c", f"exit {code}"], root, environ) == (code, b"", b"")


SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGQUIT, signal.SIGKILL]


@pytest.mark.parametrize("number", SIGNALS)
def test_signal_kills_the_command(root: Path, environ: Environ, number: signal.Signals) -> None:
    with started([*DEVPY, "sh", "-c", f"ulimit -c 0; echo ready; exec sleep {FOR_EVER}"], root, environ) as process:
        assert read_line(process) == b"ready\n"
        process.send_signal(number)
        assert process.stdout is not None
        assert process.stdout.read() == b""  # nobody is left who could write
        assert process.wait(HANGS_SECONDS) == -number


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_signal_is_handled_by_the_command(root: Path, environ: Environ, number: signal.Signals) -> None:
    # Not print, which a handler may not call while it is printing.
    code = f"import os, signal; signal.signal({number:d}, lambda *_: os.write(1, b'handled\\n') and os._exit(3)); "
    code += "os.write(1, b'ready\\n'); signal.pause()"
    with started([*DEVPY, "python", "-c", code], root, environ) as process:
        assert read_line(process) == b"ready\n"
        process.send_signal(number)
        assert read_line(process) == b"handled\n"
        assert process.wait(HANGS_SECONDS) == 3


def test_stopped_and_continued(root: Path, environ: Environ) -> None:
    with started([*DEVPY, "cat"], root, environ) as process:
        assert process.stdin is not None
        process.stdin.write(b"1\n")
        assert read_line(process) == b"1\n"
        process.send_signal(signal.SIGSTOP)
        assert os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED)[1])
        process.send_signal(signal.SIGCONT)
        process.stdin.write(b"2\n")
        assert read_line(process) == b"2\n"


@pytest.mark.skipif(shutil.which("timeout") is None, reason="no timeout program on this machine")
def test_timeout(root: Path, environ: Environ) -> None:
    # All that has run holds the output, so that `ended` waits for it.
    assert ended(["timeout", "1", *DEVPY, "sleep", FOR_EVER], root, environ) == (124, b"", b"")


def test_hangup_under_nohup(root: Path, environ: Environ) -> None:
    with started(["nohup", *DEVPY, "cat"], root, environ) as process:
        assert process.stdin is not None
        process.stdin.write(b"1\n")
        assert read_line(process) == b"1\n"
        process.send_signal(signal.SIGHUP)
        process.stdin.write(b"2\n")
        assert read_line(process) == b"2\n"
        process.stdin.close()
        assert process.wait(HANGS_SECONDS) == 0


# In a shell.


@pytest.mark.parametrize("pipeline", ["yes | devpy head -n 1", "devpy yes | head -n 1", "devpy yes | devpy head -n 1"])
def test_writer_without_reader(root: Path, environ: Environ, pipeline: str) -> None:
    died = 128 + signal.SIGPIPE
    assert shell(f'{pipeline}; echo "${{PIPESTATUS[@]}}"', root, environ) == f"y\n{died} 0\n"


def test_xargs(root: Path, environ: Environ) -> None:
    command = f"xargs -n 1 -P 4 {shlex.join(DEVPY)} sh -c 'echo \"<$0>\"'"
    out = shell(f"seq 12 | {command}", root, environ)
    assert sorted(out.split()) == sorted(f"<{number}>" for number in range(1, 13))
    failing = f"xargs -n 1 -P 4 {shlex.join(DEVPY)} sh -c 'exit $0'"
    assert shell(f"printf '0 1 0' | {failing}; echo $?", root, environ) == "123\n"


def test_command_substitution_background_and_lists(root: Path, environ: Environ) -> None:
    script = 'x=$(devpy echo a); devpy false || x=$x-b; devpy sh -c "exit 7" & wait $!; echo $x-$?'
    assert shell(script, root, environ) == "a-b-7\n"


def test_background_command_is_killed_by_its_job_pid(root: Path, environ: Environ) -> None:
    words = shlex.join(DEVPY)
    script = f"{words} sleep {FOR_EVER} & kill -TERM $!; wait $!; echo $?"
    assert shell(script, root, environ) == f"{128 + signal.SIGTERM}\n"


# On a terminal.


def test_it_is_a_terminal(root: Path, environ: Environ) -> None:
    code = "import os, sys; print([os.isatty(n) for n in range(3)], sys.stdout.line_buffering)"
    code += "; print(os.tcgetpgrp(0) == os.getpgid(0), open('/dev/tty').isatty())"
    with terminal([*DEVPY, "python", "-c", code], root, environ) as screen:
        assert screen.rest().split("\r\n") == ["[True, True, True] True", "True True", ""]
        assert screen.wait() == 0


def test_window_size_and_its_changes(root: Path, environ: Environ) -> None:
    code = "import os, signal; size = lambda *_: os.write(1, b'%d %d\\n' % os.get_terminal_size()); "
    code += "signal.signal(signal.SIGWINCH, size); size(); input()"
    with terminal([*DEVPY, "python", "-c", code], root, environ, size=(33, 77)) as screen:
        screen.expect("77 33\r\n")
        screen.resize(44, 99)
        screen.expect("99 44\r\n")


def test_settings_of_the_terminal_are_untouched(root: Path, environ: Environ) -> None:
    with terminal(["bash", "-c", f"stty -echo; stty -g; {shlex.join(DEVPY)} true; stty -g"], root, environ) as screen:
        before, after, _ = screen.rest().split("\r\n")
    assert before == after


def test_interrupt_key_reaches_python(root: Path, environ: Environ) -> None:
    code = "import os, signal\ntry: print('ready', os.getpid()); signal.pause()\n"
    code += "except KeyboardInterrupt: print('interrupted'); raise SystemExit(4)"
    with terminal([*DEVPY, "python", "-c", code], root, environ) as screen:
        screen.expect(f"ready {screen.pid}\r\n")
        screen.press("c")
        screen.expect("interrupted\r\n")
        assert screen.wait() == 4


@pytest.mark.parametrize(("key", "number"), [("c", signal.SIGINT), ("\\", signal.SIGQUIT)])
def test_keys_that_kill(root: Path, environ: Environ, key: str, number: signal.Signals) -> None:
    with terminal([*DEVPY, "sh", "-c", f"ulimit -c 0; echo ready; exec sleep {FOR_EVER}"], root, environ) as screen:
        screen.expect("ready")
        screen.press(key)
        assert screen.wait() == -number


def test_interactive_python(root: Path, environ: Environ) -> None:
    with terminal([*DEVPY, "python", "-q"], root, environ) as screen:
        screen.expect(">>> ")
        screen.type("import os; print('it is', os.getpid())\r")
        screen.expect(f"it is {screen.pid}\r\n")
        screen.expect(">>> ")
        screen.type("import signal; print('wait' + 'ing'); signal.pause()\r")
        screen.expect("waiting\r\n")
        screen.press("c")
        screen.expect("KeyboardInterrupt\r\n")
        screen.expect(">>> ")
        screen.type("print('still' + ' there')\r")
        screen.expect("still there\r\n")
        screen.expect(">>> ")
        screen.press("d")
        screen.rest()  # up to its end; after an interrupt, CPython itself dies of SIGINT or not, by version


def test_end_of_input_key(root: Path, environ: Environ) -> None:
    with terminal([*DEVPY, "sh", "-c", "echo ready; cat; echo end"], root, environ) as screen:
        screen.expect("ready")
        screen.type("a line\n")
        screen.expect("a line\r\na line\r\n")  # its echo, then what cat has written
        screen.press("d")
        screen.expect("end\r\n")
        assert screen.wait() == 0


def test_job_control(root: Path, environ: Environ) -> None:
    """In an interactive shell the command is stopped, listed, continued and interrupted."""
    code = "import os\nprint('ready', os.getpid())\nwhile True: print('got ' + input())"
    with terminal(["bash", "--norc", "--noprofile", "--noediting", "-i"], root, {**environ, "PS1": "% "}) as screen:
        screen.expect("% ")
        screen.type(f"{shlex.join(DEVPY)} python -c {shlex.quote('exec(' + repr(code) + ')')}\n")
        screen.expect("\nready ")
        pid = screen.expect("\r\n")
        screen.press("z")
        screen.expect("Stopped")
        screen.expect("% ")
        screen.type("jobs -p\n")
        screen.expect(f"\n{pid}\r\n")
        screen.type("fg\n")
        screen.expect("devpy_runner")  # bash says what it continues
        screen.type("a line\n")
        screen.expect("got a line\r\n")
        screen.press("z")
        screen.expect("Stopped")
        screen.type("fg\n")
        screen.type("another\n")
        screen.expect("got another\r\n")
        screen.press("c")
        screen.expect("KeyboardInterrupt\r\n")
        screen.expect("% ")
        screen.type("echo code $?; jobs; exit 5\n")
        screen.expect(f"\ncode {128 + signal.SIGINT}\r\n")
        assert screen.wait() == 5


def test_interrupt_key_ends_a_shell_loop(root: Path, environ: Environ) -> None:
    """Which a shell ends only if the command has died of the signal."""
    loop = f"for i in 1 2; do {shlex.join(DEVPY)} sh -c 'echo ready; exec sleep {FOR_EVER}'; done; echo went on"
    with terminal(["bash", "-c", loop], root, environ) as screen:
        screen.expect("ready\r\n")
        screen.press("c")
        assert "went on" not in screen.rest()
        assert screen.wait() == -signal.SIGINT
