"""The last step: devpy becomes the command, as if it had been typed in an activated shell."""

from __future__ import annotations

# Not signal, whose enumerations take as long to import as all of devpy's own code.
import _signal  # type: ignore[import-not-found]
import errno
import os
import sys

from devpy_pip_guard.errors import DevpyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NoReturn

    from .activation import Activation

_SHELL_PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "activated.sh")

_SHELL_VARIABLES = frozenset(
    {
        "BASH",
        "BASHOPTS",
        "BASHPID",
        "BASH_ARGC",
        "BASH_ARGV",
        "BASH_ARGV0",
        "BASH_COMMAND",
        "BASH_LINENO",
        "BASH_SOURCE",
        "BASH_SUBSHELL",
        "BASH_VERSINFO",
        "BASH_VERSION",
        "DIRSTACK",
        "EPOCHREALTIME",
        "EPOCHSECONDS",
        "EUID",
        "FUNCNAME",
        "GROUPS",
        "HISTCMD",
        "IFS",
        "LINENO",
        "OPTIND",
        "POSIXLY_CORRECT",
        "PPID",
        "PS4",
        "RANDOM",
        "SECONDS",
        "SHELLOPTS",
        "SHLVL",
        "SRANDOM",
        "UID",
        "_",
    }
)
"""Variables that a shell obeys, drops, replaces, or does not let anybody set; see bash(1), *Shell Variables*."""

_SET_IN_SHELL = ("BASH_ENV", "PS1", "PS2")
"""Variables that a starting bash obeys or drops; it passes them on if they are set once it runs."""

_COERCED_CTYPES = ("C.UTF-8", "C.utf8", "UTF-8")


def caller_environ() -> dict[str, str]:
    """Return the variables that devpy's caller gave it.

    They are `os.environ`, except for LC_CTYPE, which CPython sets itself when it starts in the C locale (PEP 538). The
    caller's value is read from procfs. macOS has no procfs, so there CPython's value stays.
    """
    environ = dict(os.environ)
    if environ.get("LC_CTYPE") in _COERCED_CTYPES and not environ.get("LC_ALL"):
        try:
            with open("/proc/self/environ", "rb") as stream:
                caller = dict(entry.partition(b"=")[::2] for entry in stream.read().split(b"\0"))
        except OSError:
            return environ
        del environ["LC_CTYPE"]
        if b"LC_CTYPE" in caller:
            environ["LC_CTYPE"] = os.fsdecode(caller[b"LC_CTYPE"])
    return environ


def prepare(
    command: list[str], activation: Activation, *, first_on_path: list[str], additions: Mapping[str, str], cwd: str
) -> tuple[list[str], dict[str, str]]:
    """Return the arguments and the variables with which to start a command in the activated environment.

    Without scripts, these start the command itself. With scripts, they start a shell that sources the scripts and then
    becomes the command, in the same process.

    :param command: the program, looked up on the final PATH unless it contains a slash, and its arguments
    :param activation: what `activate` returned
    :param first_on_path: the folders that PATH is to start with and to hold only once, absolute
    :param additions: the variables to set last, exactly as given; a PATH among them replaces PATH as a whole
    :param cwd: the folder that the command is to be started in, absolute
    """
    environ = _moved(activation.caller, cwd)
    if activation.deactivate_scripts or activation.activate_scripts:
        return _through_shell(command, activation, environ, first_on_path, additions)
    environ.update(activation.exports)
    entries = [entry for entry in environ["PATH"].split(os.pathsep) if entry not in first_on_path]
    environ["PATH"] = os.pathsep.join([*first_on_path, *entries])
    environ.update(additions)
    return list(command), environ


def execute(
    command: list[str], activation: Activation, *, first_on_path: list[str], additions: Mapping[str, str], cwd: str
) -> NoReturn:
    """Become the command; the parameters are those of `prepare`.

    :raises DevpyError: if `cwd` cannot be entered
    :raises SystemExit: if the command cannot be started: with status 127 if it is not found, 126 if not executable
    """
    arguments, environ = prepare(command, activation, first_on_path=first_on_path, additions=additions, cwd=cwd)
    try:
        os.chdir(cwd)
    except OSError as error:
        raise DevpyError(f"{cwd}: {error.strerror}", "name a folder that exists and can be entered") from error
    if sys.stderr is None and arguments != command:
        # Otherwise the file that the shell reads its program from would become its stderr, and the command's. The shell
        # closes this one again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        os.set_inheritable(2, True)
    program = _program(arguments[0], environ.get("PATH", os.defpath))
    own = [*first_on_path, os.path.join(environ.get("CONDA_PREFIX", ""), "bin")]
    if arguments == command and program != command[0] and os.path.dirname(program) not in own:
        _name_stranger(command[0], program, environ)
    _restore_signals()
    _replace_process(program, arguments, environ)


def _moved(environ: Mapping[str, str], cwd: str) -> dict[str, str]:
    """Return the variables with PWD and OLDPWD set as a shell's `cd` sets them."""
    moved = dict(environ)
    if moved.get("PWD") != cwd:
        if "PWD" in moved:
            moved["OLDPWD"] = moved["PWD"]
        moved["PWD"] = cwd
    return moved


def _through_shell(
    command: list[str],
    activation: Activation,
    environ: dict[str, str],
    first_on_path: list[str],
    additions: Mapping[str, str],
) -> tuple[list[str], dict[str, str]]:
    """Return the arguments and variables of a shell that runs `activated.sh`."""
    shell = _shell(environ.get("PATH", os.defpath))
    past_shell = {
        name: value
        for name, value in {**environ, **activation.exports}.items()
        if not _survives_shell(name, bash=os.path.basename(shell) == "bash")
    }
    steps = [
        *_steps("export", [f"{name}={environ[name]}" for name in _SET_IN_SHELL if name in environ]),
        *_steps("source", activation.deactivate_scripts),
        *_steps("export", [f"{n}={value}" for n, value in activation.exports.items() if n not in past_shell]),
        *_steps("source", activation.activate_scripts),
        *(("export", "PATH=" + additions["PATH"]) if "PATH" in additions else _steps("prepend", first_on_path[::-1])),
        *_steps("own", first_on_path),
        *(("close", "2") if sys.stderr is None else ()),
        *("exec", command[0]),
    ]
    at_start = {n: value for n, value in environ.items() if n not in past_shell and n not in _SET_IN_SHELL}
    invented = [] if "SHLVL" in environ else ["-u", "SHLVL"]
    last = [f"{name}={value}" for name, value in {**past_shell, **additions}.items()]
    handover = ["/usr/bin/env", *invented, "--", *last, *_not_an_assignment(command)]
    return [shell, _SHELL_PROGRAM, *steps, *handover], at_start


def _shell(path: str) -> str:
    """Return the absolute path of the shell that conda would use: the caller's bash, else sh."""
    for folder in path.split(os.pathsep):
        bash = os.path.join(folder, "bash")
        if os.path.isabs(bash) and _is_executable(bash):
            return bash
    return "/bin/sh"


def _survives_shell(name: str, *, bash: bool) -> bool:
    """Tell whether a shell passes a variable on, with the changes that scripts make to it."""
    if bash and name.startswith("BASH_FUNC_"):  # an exported function
        return True
    return name.isascii() and name.isidentifier() and name not in _SHELL_VARIABLES


def _steps(kind: str, values: list[str]) -> list[str]:
    return [word for value in values for word in (kind, value)]


def _not_an_assignment(command: list[str]) -> list[str]:
    """Return the command in a form that `env` does not take for a variable, even if its path contains a `=`."""
    return ["/bin/sh", "-c", 'exec "$0" "$@"', *command] if "=" in command[0] else command


def _program(name: str, path: str) -> str:
    """Return the file to execute, an absolute path or one relative to the current directory.

    :raises SystemExit: if there is none
    """
    folders = path.split(os.pathsep) if name else []
    candidates = [name] if "/" in name else [os.path.join(folder, name) for folder in folders]
    for candidate in candidates:
        if _is_executable(candidate):
            return candidate
    if any(os.path.exists(candidate) for candidate in candidates):
        raise _failed(126, f"{name}: permission denied")
    raise _failed(127, f"command not found: {name}")


def _name_stranger(name: str, program: str, environ: Mapping[str, str]) -> None:
    """Tell the user if the program that a name has led to runs on a Python that is not the overlay's."""
    if name.startswith("py") or _is_script(program):  # others need not import what follows
        from ..messages import tell
        from .strangers import warning

        text = warning(name, program, environ.get("PYENV_ROOT", ""))
        if text:
            tell(text)


def _is_script(path: str) -> bool:
    try:
        with open(path, "rb") as stream:
            return stream.read(2) == b"#!"
    except OSError:  # which may be executed all the same
        return False


def _is_executable(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)


def _restore_signals() -> None:
    """Restore the signals that CPython ignores, so that a command whose reader has gone dies of SIGPIPE as usual."""
    for name in ("SIGPIPE", "SIGXFSZ", "SIGXFZ"):
        if hasattr(_signal, name):
            _signal.signal(getattr(_signal, name), _signal.SIG_DFL)


def _replace_process(program: str, arguments: list[str], environ: dict[str, str]) -> NoReturn:
    # As execvp does: a file that the kernel cannot execute, such as a text without `#!`, is taken for a script of sh.
    script = ["sh", program, *arguments[1:]]
    for path, words in ((program, arguments), ("/bin/sh", script)):
        try:
            os.execve(path, words, environ)  # noqa: S606 (starting a program is what devpy is for)
        except FileNotFoundError as error:
            raise _failed(127, f"{arguments[0]}: bad interpreter: {error.strerror}") from None
        except OSError as error:
            if error.errno != errno.ENOEXEC:
                raise _failed(126, f"{arguments[0]}: {error.strerror}") from None
    raise _failed(126, f"{arguments[0]}: {os.strerror(errno.ENOEXEC)}")


def _failed(status: int, problem: str) -> SystemExit:
    from ..messages import tell  # not at the top: a command that runs does not need it

    tell(problem)
    return SystemExit(status)
