"""Shell code that gives a running shell the environment of `devpy`, for `source .venv/bin/activate`.

What devpy adds to that script (see `devpy_runner.activate.scripts`) calls this module before virtualenv's
own part has changed anything, and evaluates the code after it. The base's activation scripts run in a bash of their
own, as for `devpy COMMAND`. So every shell gets the same values, and no script can end or break the user's shell; what
is no environment variable, such as a function or an alias, is not carried over.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from contextlib import suppress
from tempfile import TemporaryFile

from devpy_pip_guard.config import FILE_NAME, load_repository
from devpy_pip_guard.errors import DevpyError

from .activate import environment
from .activate.execution import caller_environ
from .activate.scripts import quote_for_fish
from .cli import parse
from .messages import tell
from .records.start_record import parse_variables
from .settle import settle
from .worktree import current_folder, find_root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_BY_VIRTUALENV = ("PATH", "VIRTUAL_ENV", "PKG_CONFIG_PATH", "TCL_LIBRARY", "TK_LIBRARY")
"""What virtualenv's activation sets besides the prompt, even where devpy's environment is like the caller's."""

_PROMPT = "VIRTUAL_ENV_PROMPT"

_SHELLS_OWN = frozenset(
    {
        "_",
        "BASHOPTS",
        "BASH_VERSION",
        "EUID",
        "IFS",
        "LINENO",
        "OLDPWD",
        "OPTIND",
        "PPID",
        "PS1",
        "PS4",
        "PWD",
        "RANDOM",
        "SHELLOPTS",
        "SHLVL",
        "UID",
        "status",
    }
)
"""Variables that a running shell uses for itself or does not let anybody set."""

_POSIX = """\
{exports}
eval "_devpy_virtualenv_$(typeset -f deactivate)"
deactivate () {{
_devpy_virtualenv_deactivate "$@"
{restores}
[ "${{1-}}" = nondestructive ] || unset -f _devpy_virtualenv_deactivate
}}
"""

_FISH = """\
{exports}
functions -e _devpy_virtualenv_deactivate
functions -c deactivate _devpy_virtualenv_deactivate
function deactivate -d 'Go back to the environment before the activation'
_devpy_virtualenv_deactivate $argv
{restores}
test "$argv[1]" = nondestructive; or functions -e _devpy_virtualenv_deactivate
end
"""


def main() -> int:
    """Print the code for a shell.

    The arguments of the process are the kind of shell, `posix` (bash and zsh) or `fish`, and the activate script that
    is being sourced.

    :return: the exit code; 0 only if the code is complete
    """
    kind, script = sys.argv[1:]
    environ = caller_environ()
    try:
        after = activated(os.path.dirname(os.path.dirname(os.path.abspath(script))), environ)
    except (DevpyError, OSError) as error:
        tell(str(error))
        return 2
    except KeyboardInterrupt:
        return 130
    sys.stdout.buffer.write(os.fsencode(code(kind, environ, after)))
    return 0


def activated(venv: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a command gets which devpy runs in the worktree of an overlay.

    The overlay is brought up to date first, as for a command.

    :param venv: the overlay, absolute
    :param environ: the caller's environment variables
    :raises DevpyError: if it belongs to no worktree, cannot be used, or an activation script ends the shell
    """
    root = _root(venv, environ)
    known = settle(root, environ, root, sync=parse([]).sync)
    env = environment.of(known.venv, known.base, known.settings, known.variables, root, environ)
    command, start = env.prepare(["/usr/bin/env", "-0"], {})
    with TemporaryFile() as printed:  # what a script leaves running would keep a pipe open
        done = subprocess.run(command, env=start, cwd=root, stdin=subprocess.DEVNULL, stdout=printed, check=False)
        printed.seek(0)
        variables = parse_variables(printed.read())
    if done.returncode != 0:
        raise DevpyError(f"{known.base}: cannot be activated", "correct the script that is named above")
    return variables


def code(kind: str, before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """Return code that sets the variables which differ, and has `deactivate` put back what they were.

    Like virtualenv's own with PATH, it does so even if they have been set to something else meanwhile.

    :param kind: `posix` or `fish`
    :param before: the caller's environment variables
    :param after: those of the activated environment
    """
    names = sorted(filter(_can_be_set, {*_BY_VIRTUALENV, *dict(before.items() ^ after.items())}))
    template, assign = (_FISH, _fish) if kind == "fish" else (_POSIX, _posix)
    return template.format(
        exports="\n".join(assign(name, after.get(name)) for name in names),
        restores="\n".join(assign(name, before.get(name)) for name in (*names, _PROMPT)),
    )


def _root(venv: str, environ: Mapping[str, str]) -> str:
    """Return the root of the worktree in whose environment the shell shall be, absolute.

    Where several repositories share the overlay, the one that the shell is in counts.
    """
    mend = "cd into the worktree whose devpy.toml names it, then source it again; devpy info shows where it is"
    problem = DevpyError(f"{venv}: not the overlay of this worktree", mend)
    for root in _worktrees([current_folder(), venv], environ):
        try:
            config = load_repository(os.path.join(root, FILE_NAME))
        except DevpyError as error:
            problem = error
        else:
            if os.path.realpath(config.venv) == os.path.realpath(venv):
                return root
    raise problem


def _worktrees(folders: list[str], environ: Mapping[str, str]) -> Iterator[str]:
    for folder in folders:
        with suppress(DevpyError):  # some lie in no worktree
            yield find_root(folder, environ)


def _can_be_set(name: str) -> bool:
    return name.isascii() and name.isidentifier() and name not in _SHELLS_OWN and name != _PROMPT


def _posix(name: str, value: str | None) -> str:
    return f"unset {name}" if value is None else f"export {name}={shlex.quote(value)}"


def _fish(name: str, value: str | None) -> str:
    return f"set -e {name}" if value is None else f"set -gx {name} {quote_for_fish(value)}"
