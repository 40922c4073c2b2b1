"""The command line: devpy's own commands, and everything else as a command to run.

The options before the command are parsed by hand: importing argparse takes longer than running a command may, and
whatever follows the command is the command's. devpy's own commands use argparse, see `devpy_runner.commands`.
"""

from __future__ import annotations

import os
import sys

from devpy_pip_guard.errors import DevpyError, printable

COMMANDS = ("info", "update-editables", "clean", "doctor", "demo")

HELP = """\
usage: devpy [--cwd DIR] [--no-sync] [--] COMMAND [ARG ...]
       devpy {info,update-editables,clean,doctor,demo} [OPTION ...]

Run COMMAND in this git worktree's environment: the conda environment that devpy.toml names, with the worktree's own
editable packages first.

options:
  --cwd DIR          run COMMAND in DIR instead of the worktree root
  --no-sync          do not bring the overlay up to date first (or DEVPY_NO_SYNC=1)
  --                 what follows is a command to run, even if it is called like one of devpy's own
  -h, --help         show this help; `devpy info --help` and so on show more
  --version          show devpy's version

devpy's own commands:
  info               show the configuration and the overlay's state
  update-editables   make the overlay and install the declared editable packages
  clean              remove the overlay
  doctor             check that the right code runs, and tell how to mend what is wrong
  demo               show, in a throwaway repository, what devpy does

examples:
  devpy pytest -x
  devpy python -c 'import mypackage; print(mypackage.__file__)'
"""


class Invocation:
    """A parsed command line.

    :param command: the command and its arguments; empty if there is none
    :param is_subcommand: whether it is one of devpy's own commands
    :param cwd: the folder to run it in, as typed
    :param sync: whether to bring the overlay up to date first
    """

    __slots__ = ("command", "cwd", "is_subcommand", "sync")

    def __init__(self, command: list[str], is_subcommand: bool, cwd: str | None = None, sync: bool = True) -> None:
        self.command = command
        self.is_subcommand = is_subcommand
        self.cwd = cwd
        self.sync = sync


def main(argv: list[str] | None = None) -> int:
    """Run devpy.

    :param argv: the arguments, without the program's name; those of the process by default
    :return: the exit code; not that of a command, which replaces this process
    """
    if argv is None:
        _leave_out_others_modules()
    try:
        code = _dispatch(sys.argv[1:] if argv is None else argv)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except DevpyError as error:
        _tell(error)
    except BrokenPipeError:
        _forget_output()
    except OSError as error:  # such as a full disk or a read-only folder, which the user has to mend
        _forget_output()
        _tell(_system_error(error))
    except KeyboardInterrupt:
        _die_of_interrupt()
    except Exception:  # noqa: BLE001 - a bug of devpy's, and the user has to be told where to report it
        from .bug_report import tell_of_bug

        tell_of_bug()
    return 2


def _leave_out_others_modules() -> None:
    """Keep devpy from importing what PYTHONPATH or the current folder holds: it is there for the user's command.

    `python -m devpy_runner` puts the current folder first.
    """
    pythonpath = os.environ.get("PYTHONPATH", "")
    if not pythonpath and os.path.basename(sys.argv[0]) != "__main__.py":
        return
    import site

    library = os.path.dirname(os.__file__)
    own = [os.path.dirname(os.path.dirname(os.path.abspath(__file__))), library, os.path.join(library, "lib-dynload")]
    own += [*site.getsitepackages(), site.getusersitepackages()]
    others = {os.path.abspath(entry) for entry in pythonpath.split(os.pathsep)}
    if os.path.basename(sys.argv[0]) == "__main__.py":
        others.add(os.path.abspath(sys.path[0]))
    sys.path[:] = [entry for entry in sys.path if entry in own or os.path.abspath(entry) not in others]


def _tell(error: DevpyError) -> None:
    from .messages import tell  # not at the top: a command that runs does not need it

    tell(str(error))


def _system_error(error: OSError) -> DevpyError:
    """Return what to tell the user of an error that no other code has dealt with."""
    path = printable(str(error.filename)) if error.filename is not None else ""
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        mend = "see what is missing: devpy doctor"
    else:
        mend = "check free space and write permission" + (f" for {path}" if path else "")
    return DevpyError(f"{path}: {error.strerror}" if path else str(error.strerror), mend)


def _forget_output() -> None:
    """Keep Python from reporting, at exit, that its output cannot be written."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _die_of_interrupt() -> None:
    """End by the signal, as programs do that do not catch Ctrl-C: a shell's loop around devpy then ends, too."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGINT)


def parse(arguments: list[str]) -> Invocation:
    """Parse a command line.

    :raises DevpyError: for an option that devpy does not have
    """
    cwd: str | None = None
    sync = syncs_by_default()
    rest = list(arguments)
    while rest and rest[0].startswith("-"):
        option, equals, value = rest.pop(0).partition("=")
        if option == "--" and not equals:
            return Invocation(rest, False, cwd, sync)
        if option == "--no-sync" and not equals:
            sync = False
        elif option == "--cwd":
            if not equals and not rest:
                raise DevpyError("--cwd: no folder", "devpy --cwd DIR COMMAND")
            cwd = value if equals else rest.pop(0)
        else:
            raise DevpyError(f"{option}: unknown option", "devpy --help shows the options; they go before the command")
    return Invocation(rest, bool(rest) and rest[0] in COMMANDS, cwd, sync)


def syncs_by_default() -> bool:
    """Tell whether DEVPY_NO_SYNC lets devpy bring the overlay up to date."""
    return os.environ.get("DEVPY_NO_SYNC", "") in ("", "0")


def _dispatch(arguments: list[str]) -> int:
    if os.name != "posix":
        raise DevpyError("Windows is not supported", "use devpy on Linux or macOS, or in WSL")
    if not arguments or arguments[0] in ("-h", "--help"):
        print(HELP, end="")
        return 0
    if arguments == ["--version"]:
        from . import __version__

        print(f"devpy {__version__}")
        return 0
    invocation = parse(arguments)
    if not invocation.command:
        raise DevpyError("no command to run", "devpy --help shows how")
    if invocation.is_subcommand:
        return _run_subcommand(invocation)
    from .run import run

    return run(invocation.command, invocation.cwd, sync=invocation.sync)


def _run_subcommand(invocation: Invocation) -> int:
    from importlib import import_module

    from .commands import parse as parse_options

    name, *arguments = invocation.command
    if invocation.cwd is not None:
        raise DevpyError(f"--cwd: not for {name}", f"cd there, then: devpy {name}")
    if not invocation.sync and "DEVPY_NO_SYNC" not in os.environ:
        raise DevpyError(f"--no-sync: not for {name}", f"devpy {name}")
    if hasattr(sys.stdout, "reconfigure"):  # a path may hold what the locale cannot show
        sys.stdout.reconfigure(errors="backslashreplace")
    module = import_module(f".commands.{name.replace('-', '_')}", __package__)
    return int(module.execute(parse_options(name, module, arguments)))
