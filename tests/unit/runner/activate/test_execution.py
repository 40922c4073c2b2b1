from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import devpy_runner
from devpy_pip_guard.errors import DevpyError
from devpy_runner.activate import execution
from devpy_runner.activate.activation import Activation
from devpy_runner.activate.execution import caller_environ, execute, prepare

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(devpy_runner.__file__)))
SYSTEM = "/usr/bin:/bin"

# What a `devpy` would do, with its findings and the command given as arguments.
PROGRAM = f"""
import json, sys
sys.path.insert(0, {ROOT!r})
from devpy_runner.activate import execution
from devpy_runner.activate.activation import Activation
given = json.loads(sys.argv[1])
if given["sh"]:
    execution._shell = lambda path: "/bin/sh"
activation = Activation(execution.caller_environ(), given["before"], given["exports"], given["after"])
execution.execute(
    sys.argv[2:], activation, first_on_path=given["first"], additions=given["additions"], cwd=given["cwd"]
)
"""


class Devpy:
    """Runs commands in a folder with certain activation scripts."""

    def __init__(self, folder: Path, *, sh: bool = False) -> None:
        self.folder = folder
        self.sh = sh
        self.before: list[str] = []
        self.after: list[str] = []
        self.exports = {"PATH": SYSTEM}
        self.additions: dict[str, str] = {}
        self.first = ["first"]
        self.environ = {"PATH": SYSTEM, "LANG": "C.UTF-8"}

    def script(self, text: str) -> str:
        path = self.folder / f"{len(self.before) + len(self.after)}.sh"
        path.write_text(text)
        self.after.append(str(path))
        return str(path)

    def program(self, name: str, text: str, mode: int = 0o755) -> str:
        path = self.folder / "first" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return str(path)

    def arguments(self, *command: str | bytes) -> list[str | bytes]:
        facts = {"sh": self.sh, "before": self.before, "after": self.after, "exports": self.exports}
        first = [str(self.folder / name) for name in self.first]
        facts.update(first=first, additions=self.additions, cwd=str(self.folder))
        return [sys.executable, "-I", "-c", PROGRAM, json.dumps(facts), *command]

    def start(self, *command: str | bytes, **options: Any) -> subprocess.Popen[bytes]:
        options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return subprocess.Popen(self.arguments(*command), env=self.environ, **options)

    def run(self, *command: str | bytes, **options: Any) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(self.arguments(*command), env=self.environ, capture_output=True, check=False, **options)

    def environment(self) -> dict[str, str]:
        completed = self.run("/usr/bin/env", "-0")
        assert (completed.returncode, completed.stderr) == (0, b"")
        return parse(completed.stdout)


def parse(output: bytes) -> dict[str, str]:
    pairs = (entry.partition(b"=") for entry in output.split(b"\0") if entry)
    return {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}


@pytest.fixture(params=["without-shell", "bash", "sh"])
def devpy(request: pytest.FixtureRequest, tmp_path: Path) -> Devpy:
    """Return a devpy that execs at once, and one for each shell, with a script that does nothing."""
    devpy = Devpy(tmp_path, sh=request.param == "sh")
    if request.param != "without-shell":
        devpy.script(":\n")
    return devpy


@pytest.fixture(params=["bash", "sh"])
def scripted(request: pytest.FixtureRequest, tmp_path: Path) -> Devpy:
    return Devpy(tmp_path, sh=request.param == "sh")


def test_the_command_has_the_pid_of_devpy(devpy: Devpy) -> None:
    with devpy.start("/bin/sh", "-c", "echo $$") as process:
        assert process.stdout is not None
        assert int(process.stdout.read()) == process.pid


@pytest.mark.parametrize("status", [0, 1, 2, 126, 127, 128, 255])
def test_exit_status(devpy: Devpy, status: int) -> None:
    assert devpy.run("sh", "-c", f"exit {status}").returncode == status


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL, signal.SIGUSR1])
def test_death_by_signal(devpy: Devpy, number: signal.Signals) -> None:
    with devpy.start("sh", "-c", "echo ready; exec sleep 60") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        assert process.wait() == -number


def test_a_writer_without_reader_dies_of_sigpipe(devpy: Devpy) -> None:
    with devpy.start("yes") as process:
        assert process.stdout is not None
        assert process.stdout.read(2) == b"y\n"
        process.stdout.close()
        assert process.wait() == -signal.SIGPIPE


def test_an_ignored_interrupt_stays_ignored(devpy: Devpy) -> None:
    completed = devpy.run(
        "sh", "-c", "kill -INT $$; echo alive", preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)
    )
    assert completed.stdout == b"alive\n"


def test_input_is_the_commands(devpy: Devpy) -> None:
    if devpy.after:
        devpy.script("cat\n")
    assert devpy.run("cat", input=b"1\n\xff\0").stdout == b"1\n\xff\0"


def test_open_files_stay_open(devpy: Devpy) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"through\n")
    os.close(writing)
    with os.fdopen(reading):
        assert devpy.run("sh", "-c", f"cat /dev/fd/{reading}", pass_fds=[reading]).stdout == b"through\n"


def test_no_other_file_is_open(devpy: Devpy) -> None:
    completed = devpy.run("/bin/sh", "-c", "for n in 3 4 5 6 7 8 9; do (: <&$n) 2>/dev/null && echo $n; done")
    assert completed.stdout == b""


def test_scripts_are_read_even_if_stderr_is_closed(scripted: Devpy) -> None:
    scripted.script("export A=1; echo lost\n")
    completed = scripted.run("printenv", "A", preexec_fn=lambda: os.close(2))
    assert completed.stdout == b"1\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["", " ", "\n", "a\nb\n", "'", '"', "\\", "$HOME", "`x`", "$(x)", "*", "?", "[a-z]", "~", "!", "#", ";", "&"],
        ["--", "-u", "A=b", "-", "exec", "source"],
        ["é", "日本", b"\xff\xfe", b"\x80\x81\x88"],
    ],
    ids=["special", "options", "bytes"],
)
def test_arguments(devpy: Devpy, arguments: list[str | bytes]) -> None:
    completed = devpy.run("printf", "%s\\0", *arguments)
    assert completed.stdout.split(b"\0")[:-1] == [os.fsencode(argument) for argument in arguments]


def test_name_and_lookup(devpy: Devpy) -> None:
    path = devpy.program("tool", '#!/bin/sh\nprintf "%s" "$0"\n')
    assert devpy.run("tool").stdout == os.fsencode(path)
    assert devpy.run("./first/tool").stdout == b"./first/tool"


def test_the_name_that_was_typed_is_the_first_argument(devpy: Devpy) -> None:
    (devpy.folder / "first").mkdir()
    (devpy.folder / "first" / "shell").symlink_to("/bin/sh")
    assert devpy.run("shell", "-c", "echo $0").stdout == b"shell\n"


def test_a_path_with_an_equals_sign_is_no_assignment(devpy: Devpy) -> None:
    devpy.program("lr=0.1", '#!/bin/sh\necho "$@"\n')
    assert devpy.run("./first/lr=0.1", "a", "b=c").stdout == b"a b=c\n"
    assert devpy.run("lr=0.1", "a", "b=c").stdout == b"a b=c\n"


@pytest.mark.parametrize("name", ["no-such-command", "./no-such-file", "/no/such/file", "", "A=b", "cd", "-x"])
def test_command_not_found(devpy: Devpy, name: str) -> None:
    completed = devpy.run(name)
    assert (completed.returncode, completed.stdout) == (127, b"")
    assert completed.stderr == f"devpy: command not found: {name}\n".encode()


@pytest.mark.parametrize("name", ["plain", "./first/plain", "folder", "./first/folder", "/"])
def test_command_not_executable(devpy: Devpy, name: str) -> None:
    devpy.program("plain", "#!/bin/sh\n", mode=0o644)
    (devpy.folder / "first" / "folder").mkdir()
    completed = devpy.run(name)
    assert (completed.returncode, completed.stdout) == (126, b"")
    assert completed.stderr == f"devpy: {name}: permission denied\n".encode()


def test_a_missing_interpreter(devpy: Devpy) -> None:
    devpy.program("tool", "#!/no/such/interpreter\n")
    completed = devpy.run("tool")
    assert completed.returncode == 127
    assert b"tool" in completed.stderr
    assert b"Traceback" not in completed.stderr


def test_what_cannot_be_executed_does_not_hide_what_can(devpy: Devpy) -> None:
    devpy.program("printf", "", mode=0o644)
    assert devpy.run("printf", "x").stdout == b"x"


def test_an_empty_entry_of_path_is_the_current_directory(devpy: Devpy) -> None:
    devpy.program("tool", "#!/bin/sh\necho found\n")
    (devpy.folder / "tool").symlink_to("first/tool")
    devpy.additions["PATH"] = "/nowhere::/bin"
    assert devpy.run("tool").stdout == b"found\n"


def test_a_script_without_a_header_is_run_by_sh(devpy: Devpy) -> None:
    devpy.program("old", 'echo "$@"\n')
    assert devpy.run("old", "a  b").stdout == b"a  b\n"


@pytest.mark.parametrize("has_script", [False, True])
def test_two_folders_are_first_on_path_in_their_order(devpy: Devpy, has_script: bool) -> None:
    devpy.first = ["first", "second"]
    first, second = (str(devpy.folder / name) for name in devpy.first)
    devpy.exports["PATH"] = f"{second}:{first}:{SYSTEM}"
    if has_script:
        devpy.script('export PATH="/early:$PATH"\n')
    assert devpy.environment()["PATH"] == f"{first}:{second}:{'/early:' if has_script else ''}{SYSTEM}"


def test_the_folder_is_on_path_once_and_first(devpy: Devpy) -> None:
    first = str(devpy.folder / "first")
    devpy.exports["PATH"] = f"/a:{first}::/b:{first}:/a"
    assert devpy.environment()["PATH"] == f"{first}:/a::/b:/a"


def test_the_folder_is_before_what_scripts_put_on_path(scripted: Devpy) -> None:
    first = scripted.folder / "first"
    scripted.script(f'export PATH="/early:$PATH:{first}:/late"\n')
    assert scripted.environment()["PATH"] == f"{first}:/early:{SYSTEM}:/late"


@pytest.mark.parametrize("text", ["unset PATH\n", "PATH=\n"])
def test_a_script_may_take_path_away(scripted: Devpy, text: str) -> None:
    scripted.script(text)
    assert scripted.environment()["PATH"] == str(scripted.folder / "first")


def test_additions_come_last_and_are_exact(devpy: Devpy) -> None:
    values = {
        "QUOTES": "'\"`",
        "LINES_": "a\n\nb\n",
        "DOLLAR": "$HOME ${x} $(y)",
        "EMPTY": "",
        "BS": "\\\\n\\",
        "É": "é",
    }
    devpy.additions = {"-u": "option", **values, "A": "mine", "a.b-c": "odd", "UID": "7", "SHLVL": "40"}
    devpy.exports["A"] = "activation's"
    if devpy.after:
        devpy.script("export A=script QUOTES=script\n")
    assert devpy.additions.items() <= devpy.environment().items()


def test_an_added_path_is_the_whole_path(devpy: Devpy) -> None:
    (devpy.folder / "only").mkdir()
    (devpy.folder / "only" / "tool").symlink_to("/usr/bin/printenv")
    devpy.additions["PATH"] = str(devpy.folder / "only")
    completed = devpy.run("tool", "PATH")
    assert completed.stdout.decode() == f"{devpy.folder}/only\n"
    assert devpy.run("printenv").returncode == 127


def test_nothing_else_changes(devpy: Devpy) -> None:
    """The caller's variables arrive as they were, whatever they mean to a shell."""
    trap = devpy.folder / "trap"
    trap.write_text("echo sourced >&2\n")
    special = dict.fromkeys(execution._SHELL_VARIABLES, "7")
    special.update(BASH_ENV=str(trap), ENV=str(trap), PS1="$ ", PS2="> ", SHELLOPTS="errexit:xtrace:noexec", HOME="")
    odd = {"a.b": "c", "1": "2", "-u": "x", "x y": "z", "_CE_M": "", "UID": "7", "COLUMNS": "7", "CDPATH": "/"}
    devpy.environ.update(special)
    devpy.environ.update(odd)
    devpy.environ["BASH_FUNC_f%%"] = "() {  :\n}"  # as bash itself spells it
    devpy.environ["RAW"] = os.fsdecode(bytes(range(1, 256)))
    expected = {**devpy.environ, "PATH": f"{devpy.folder}/first:{SYSTEM}", "PWD": str(devpy.folder)}
    assert devpy.environment() == expected


def test_no_variable_appears(devpy: Devpy) -> None:
    if devpy.after:
        devpy.script("set -a\n")
    assert set(devpy.environment()) == {"PATH", "LANG", "PWD"}


def test_exported_functions_reach_the_command(tmp_path: Path) -> None:
    devpy = Devpy(tmp_path)
    devpy.script("greet() { greeting; }\nexport -f greet\n")
    devpy.environ["BASH_FUNC_greeting%%"] = "() { echo hello; }"
    assert devpy.run("bash", "-c", "greet").stdout == b"hello\n"


def test_working_directory(devpy: Devpy) -> None:
    devpy.environ["PWD"] = os.sep
    environ = devpy.environment()
    assert (environ["PWD"], environ["OLDPWD"]) == (str(devpy.folder), "/")
    assert devpy.run("/bin/pwd", "-P").stdout.decode() == f"{devpy.folder.resolve()}\n"


def test_in_the_same_directory_nothing_moves(devpy: Devpy) -> None:
    devpy.environ.update(PWD=str(devpy.folder), OLDPWD="/usr")
    environ = devpy.environment()
    assert (environ["PWD"], environ["OLDPWD"]) == (str(devpy.folder), "/usr")


def test_a_missing_directory(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone")
    activation = Activation({"PATH": SYSTEM}, [], {"PATH": SYSTEM}, [])
    with pytest.raises(DevpyError, match="No such file or directory") as raised:
        execute(["true"], activation, first_on_path=["/f"], additions={}, cwd=gone)
    assert raised.value.problem.startswith(f"{gone}: ")


def test_order_of_scripts_and_exports(scripted: Devpy) -> None:
    for name in ("a", "b", "c", "d"):
        (scripted.folder / name).write_text(f'export LOG="$LOG {name}:$V:$W" V=lost W=kept-{name}\n')
    scripted.before = [str(scripted.folder / name) for name in ("b", "a")]
    scripted.after = [str(scripted.folder / name) for name in ("c", "d")]
    scripted.environ.update(LOG="0", V="callers")
    scripted.exports["V"] = "new"
    assert scripted.environment()["LOG"] == "0 b:callers: a:lost:kept-b c:new:kept-a d:lost:kept-c"


def test_what_scripts_print_goes_to_stderr(scripted: Devpy) -> None:
    scripted.script("echo out; echo err >&2; sh -c 'echo child'\n")
    completed = scripted.run("echo", "command")
    assert (completed.stdout, completed.stderr) == (b"command\n", b"out\nerr\nchild\n")


@pytest.mark.parametrize("text", ["export A=1\nreturn 7\n", "export A=1\n[ -n '' ] && export A=2\n"])
def test_the_status_of_a_script_does_not_matter(scripted: Devpy, text: str) -> None:
    """Conda says nothing, either."""
    scripted.script(text)
    scripted.script("export B=$A\n")
    completed = scripted.run("printenv", "B")
    assert (completed.returncode, completed.stdout, completed.stderr) == (0, b"1\n", b"")


@pytest.mark.parametrize("text", ["export A=1\nif ]; (\n", "export A=1\nno-such-command\n"], ids=["syntax", "missing"])
def test_a_broken_script_is_named_by_the_shell_and_the_next_goes_on(scripted: Devpy, text: str) -> None:
    path = scripted.script(text)
    scripted.script("export B=$A\n")
    completed = scripted.run("printenv", "B")
    assert (completed.returncode, completed.stdout) == (0, b"1\n")
    assert path in completed.stderr.decode() or "no-such-command: not found" in completed.stderr.decode()


@pytest.mark.parametrize("text", ["x=${(f)y}\n", "setopt nonomatch\n", "for x (a b) echo $x\n"])
def test_a_script_for_zsh_is_named_and_the_next_goes_on(scripted: Devpy, text: str) -> None:
    path = scripted.script(text)
    scripted.script("export B=1\n")
    completed = scripted.run("printenv", "B")
    assert (completed.returncode, completed.stdout) == (0, b"1\n")
    assert path in completed.stderr.decode()


def test_a_dangling_script_is_named(scripted: Devpy) -> None:
    scripted.after.append(str(scripted.folder / "gone.sh"))
    completed = scripted.run("echo", "ran")
    assert (completed.returncode, completed.stdout) == (0, b"ran\n")
    assert f"{scripted.folder}/gone.sh" in completed.stderr.decode()


@pytest.mark.parametrize(
    ("texts", "status", "culprit"),
    [
        (["exit 7\n"], 7, 0),
        (["exit 0\n"], 0, 0),
        ([":\n", "(exit 3); exit 4\n"], 4, 1),
        (["set -e\nfalse\n"], 1, 0),
        (["set -e\n", "false\ntrue\n"], 1, 1),
        (["set -e\n", "return 3\n"], 3, 1),
    ],
)
def test_a_script_that_ends_the_shell_is_named_and_no_command_runs(
    scripted: Devpy, texts: list[str], status: int, culprit: int
) -> None:
    paths = [scripted.script(text) for text in texts]
    completed = scripted.run("echo", "ran")
    assert (completed.returncode, completed.stdout) == (status, b"")
    assert completed.stderr.decode().startswith(f"devpy: {paths[culprit]}: ended the shell with status {status}")


@pytest.mark.parametrize("option", ["-e", "-u", "-f", "-C", "-eu"])
def test_options_that_scripts_leave_behind_do_no_harm(scripted: Devpy, option: str) -> None:
    scripted.script(f"set {option}\nIFS=/\nalias shift=false unset=false exec=false devpy_say=false\n")
    scripted.script("export A=1\n")
    assert scripted.run("printenv", "A").stdout == b"1\n"


def test_an_unbound_variable(scripted: Devpy) -> None:
    """Bash ends there, as under conda; a plain sh, which serves where there is no bash, ends the script alone."""
    path = scripted.script("set -u\n: $UNBOUND\n")
    completed = scripted.run("echo", "ran")
    assert (completed.returncode, completed.stdout) == ((0, b"ran\n") if scripted.sh else (1, b""))
    assert ("UNBOUND: " if scripted.sh else f"devpy: {path}: ") in completed.stderr.decode()


def test_scripts_see_no_arguments(scripted: Devpy) -> None:
    scripted.script("export COUNT=$#\nset -- a b c\nshift\n")
    scripted.script("export SECOND=$#\n")
    assert scripted.environment().items() >= {"COUNT": "0", "SECOND": "0"}.items()


def test_limits_set_by_a_script_reach_the_command(scripted: Devpy) -> None:
    scripted.script("umask 027\nulimit -n 99\n")
    assert scripted.run("sh", "-c", "umask; ulimit -n").stdout == b"0027\n99\n"


@pytest.mark.parametrize(
    "text", ["cd /usr\n", "cd /usr\ncd /tmp\n", "CDPATH=/\ncd usr >/dev/null\nalias cd=false\n", "set -e\ncd /\n"]
)
@pytest.mark.parametrize("former", [None, "/usr/bin"])
def test_a_script_does_not_move_the_command(scripted: Devpy, text: str, former: str | None) -> None:
    scripted.environ["PWD"] = str(scripted.folder)
    if former is not None:
        scripted.environ["OLDPWD"] = former
    scripted.script(text)
    environ = scripted.environment()
    assert (environ["PWD"], environ.get("OLDPWD")) == (str(scripted.folder), former)
    assert scripted.run("/bin/pwd", "-P").stdout.decode() == f"{scripted.folder.resolve()}\n"


@pytest.mark.parametrize("text", ["readonly PATH\n", "export PATH=/x\nreadonly PATH\n"])
def test_a_script_that_makes_path_read_only(scripted: Devpy, text: str) -> None:
    scripted.script(text)
    completed = scripted.run("echo", "ran")
    assert (completed.returncode, completed.stdout) == (2, b"")
    problem, mend = completed.stderr.decode().splitlines()
    assert problem.startswith("devpy: PATH: a script of the environment has made it read-only")
    assert mend.startswith("  take readonly out of")


SHIM = "#!/usr/bin/env bash\nexec pyenv exec\n"


@pytest.mark.parametrize(
    ("folder", "name", "text", "is_named"),
    [
        ("elsewhere", "pytest", "#!/usr/bin/python3\n", True),
        ("elsewhere", "pytest", "#!/usr/bin/env python3\n", False),
        ("elsewhere", "pytest", "#! /usr/bin/pypy3 -u\n", True),
        ("elsewhere", "tool", "#!/opt/python-tools/bin/bash\n", False),
        ("elsewhere", "devpy-tool", "#!/usr/bin/python3\n", False),
        ("elsewhere", "pytest", '#!/bin/sh\n"exec" "/a/python3.9" "$0"\n', True),
        (".pyenv/shims", "pytest", SHIM, True),
        ("elsewhere", "python3.9", "#!/bin/sh\n", True),
        ("elsewhere", "tool", "#!/bin/sh\n# not for python\n", False),
        ("elsewhere", "tool", "\0\1\2", False),
        ("elsewhere", "conda", "#!/usr/bin/python3\n", False),
        ("elsewhere", "devpy", "#!/usr/bin/python3\n", False),
        ("first", "pytest", "#!/usr/bin/python3\n", False),
        ("base/bin", "pytest", "#!/usr/bin/python3\n", False),
    ],
)
def test_a_python_program_that_is_neither_the_overlays_nor_the_bases(
    devpy: Devpy, folder: str, name: str, text: str, is_named: bool
) -> None:
    program = devpy.folder / folder / name
    program.parent.mkdir(parents=True)
    program.write_text(text, encoding="utf-8")
    program.chmod(0o755)
    base = devpy.folder / "base"
    devpy.exports.update(CONDA_PREFIX=str(base), PATH=f"{base}/bin:{program.parent}:{SYSTEM}")
    told = devpy.run(name).stderr.decode()
    named = f"devpy: warning: {name}: neither the overlay nor the base has it, so this runs {program}"
    assert told.startswith(named) == is_named
    assert ("devpy: warning" in told) == is_named
    assert "neither" not in devpy.run(str(program)).stderr.decode()


def test_a_stranger_on_a_path_that_devpy_toml_sets(devpy: Devpy) -> None:
    program = devpy.folder / "elsewhere" / "pytest"
    program.parent.mkdir()
    program.write_text("#!/usr/bin/python3\n", encoding="utf-8")
    program.chmod(0o755)
    devpy.additions["PATH"] = f"{devpy.folder}/first:{program.parent}:{SYSTEM}"
    assert f"so this runs {program}" in devpy.run("pytest").stderr.decode()


def test_the_mend_for_another_python(devpy: Devpy) -> None:
    devpy.program("python3.99", "#!/bin/sh\n")
    devpy.first, devpy.exports["PATH"] = ["other"], f"{devpy.folder}/first:{SYSTEM}"
    assert devpy.run("python3.99").stderr.decode().splitlines()[1] == "  this worktree's own Python: devpy python"


def test_pyenvs_own_root(devpy: Devpy) -> None:
    shim = devpy.folder / "elsewhere" / "shims" / "pytest"
    shim.parent.mkdir(parents=True)
    shim.write_text(SHIM, encoding="utf-8")
    shim.chmod(0o755)
    devpy.exports["PATH"] = f"{shim.parent}:{SYSTEM}"
    assert "neither" not in devpy.run("pytest").stderr.decode()
    devpy.environ["PYENV_ROOT"] = str(devpy.folder / "elsewhere")
    assert f"so this runs {shim}" in devpy.run("pytest").stderr.decode()


def test_the_shell_is_the_callers_bash_or_else_sh(tmp_path: Path) -> None:
    def shell(path: str) -> str:
        activation = Activation({"PATH": path}, [], {"PATH": SYSTEM}, ["/x.sh"])
        return prepare(["x"], activation, first_on_path=["/f"], additions={}, cwd="/")[0][0]

    (tmp_path / "bash").symlink_to("/bin/sh")
    assert shell(f"/nowhere:{tmp_path}:/bin") == str(tmp_path / "bash")
    assert shell("/nowhere") == "/bin/sh"
    assert shell(os.path.relpath(tmp_path)) == "/bin/sh"


# The test's own command is a shell: it obeys OPTIND, and is looked up in PATH.
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0="), min_size=1, max_size=6).filter(
    lambda name: name not in ("OPTIND", "PATH")
)
VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@pytest.mark.parametrize("name", ["UID", "EUID", "GROUPS", "SECONDS", "EPOCHSECONDS", "BASH_VERSINFO", "DIRSTACK"])
def test_a_variable_that_is_special_to_bash_passes_it(tmp_path: Path, name: str) -> None:
    (tmp_path / "nothing.sh").write_text("")
    activation = Activation({"PATH": SYSTEM}, [], {name: "x", "PATH": SYSTEM}, [str(tmp_path / "nothing.sh")])
    words, environ = prepare(["env", "-0"], activation, first_on_path=["/f"], additions={}, cwd=str(tmp_path))
    completed = subprocess.run(words, env=environ, cwd=tmp_path, capture_output=True, check=False)
    assert completed.stderr == b""
    assert f"{name}=x".encode() in completed.stdout.split(b"\0")


@settings(max_examples=40, deadline=None)
@given(
    exports=st.dictionaries(NAMES, VALUES, max_size=4),
    additions=st.dictionaries(NAMES, VALUES, max_size=4),
    arguments=st.lists(VALUES, max_size=4),
)
def test_any_value_is_the_same_through_the_shell(
    tmp_path_factory: pytest.TempPathFactory,
    exports: Mapping[str, str],
    additions: Mapping[str, str],
    arguments: list[str],
) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / "nothing.sh").write_text("")
    outputs = []
    for scripts in ([], [str(folder / "nothing.sh")]):
        activation = Activation({"PATH": SYSTEM}, [], {**exports, "PATH": SYSTEM}, scripts)
        command = ["sh", "-c", 'printf "%s\\0" "$@"; exec env -0', "sh", *arguments]
        words, environ = prepare(command, activation, first_on_path=["/f"], additions=additions, cwd=str(folder))
        completed = subprocess.run(words, env=environ, cwd=folder, capture_output=True, check=False)
        assert completed.stderr == b""
        outputs.append(sorted(completed.stdout.split(b"\0")))
    assert outputs[0] == outputs[1]


COERCION = [
    ({"LANG": "C"}, None),
    ({"LC_CTYPE": "C"}, "C"),
    ({"LC_CTYPE": "POSIX", "LANG": "C"}, "POSIX"),
    ({"LC_CTYPE": "C.UTF-8"}, "C.UTF-8"),
    ({"LC_ALL": "C"}, None),
]


@pytest.mark.skipif(
    not os.path.exists("/proc/self/environ"), reason="what the caller had cannot be told without procfs"
)
@pytest.mark.parametrize(("environ", "ctype"), COERCION)
def test_the_callers_locale_is_untouched(devpy: Devpy, environ: dict[str, str], ctype: str | None) -> None:
    devpy.environ = {"PATH": SYSTEM, **environ}
    assert devpy.environment().get("LC_CTYPE") == ctype


def test_what_python_changed_before_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SET_IN_PROCESS", "1")
    assert caller_environ()["SET_IN_PROCESS"] == "1"
