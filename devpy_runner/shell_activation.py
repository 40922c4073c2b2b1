"""Shell code that gives a running shell the environment of `devpy`, for `source .venv/bin/activate`.

The lines that devpy adds to that script (see `devpy_runner.activate.scripts`) call this module before virtualenv's
lines have changed anything, and evaluate its code after them. The base's activation scripts run in a separate bash, as
for `devpy COMMAND`. So every shell gets the same values, and no script can end or break the user's shell. Environment
variables are carried over, functions and aliases are not.
"""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import suppress

from devpy_pip_guard.config import FILE_NAME, load_repository
from devpy_pip_guard.errors import DevpyError

from .activate.environment import worktree_environment
from .activate.execution import caller_environ
from .activate.scripts import quote_for_fish
from .cli import syncs_by_default
from .messages import tell
from .programs import PRINT_VARIABLES, parse_variables, run_attended
from .settle import settle
from .worktree import current_folder, find_root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_VIRTUALENV_VARIABLES = ("PATH", "VIRTUAL_ENV", "PKG_CONFIG_PATH", "TCL_LIBRARY", "TK_LIBRARY")
"""Variables that virtualenv's activation sets besides the prompt, even if devpy leaves them as the caller has them."""

_PROMPT = "VIRTUAL_ENV_PROMPT"

_SHELL_VARIABLES = frozenset(
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
"""Variables that a running shell uses for itself or lets nobody set."""

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
        activated = activated_environ(os.path.dirname(os.path.dirname(os.path.abspath(script))), environ)
    except (DevpyError, OSError) as error:
        tell(str(error))
        return 2
    except KeyboardInterrupt:
        return 130
    sys.stdout.buffer.write(os.fsencode(code(kind, environ, activated)))
    return 0


def activated_environ(venv: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a command that devpy runs in the worktree of an overlay.

    The overlay is brought up to date first, as for a command.

    :param venv: the overlay, absolute
    :param environ: the caller's environment variables
    :raises DevpyError: if the overlay belongs to no worktree or cannot be used, or an activation script ends the shell
    """
    root = _root(venv, environ)
    answers = settle(root, environ, root, sync=syncs_by_default())
    env = worktree_environment(answers.venv, answers.base, answers.settings, answers.variables, root, environ)
    ran = run_attended(*env.prepare(PRINT_VARIABLES, {}), root)
    if ran.code != 0:
        raise DevpyError(f"{answers.base}: cannot be activated", "correct the script that is named above")
    return parse_variables(ran.out)


def code(kind: str, caller: Mapping[str, str], activated: Mapping[str, str]) -> str:
    """Return code that sets the variables which differ, and defines a `deactivate` that gives them their old values.

    As virtualenv's `deactivate` does with PATH, it restores them even if the user has changed them since.

    :param kind: `posix` or `fish`
    :param caller: the caller's environment variables
    :param activated: those of the activated environment
    """
    names = sorted(filter(_can_be_set, {*_VIRTUALENV_VARIABLES, *dict(caller.items() ^ activated.items())}))
    template, assign = (_FISH, _fish) if kind == "fish" else (_POSIX, _posix)
    return template.format(
        exports="\n".join(assign(name, activated.get(name)) for name in names),
        restores="\n".join(assign(name, caller.get(name)) for name in (*names, _PROMPT)),
    )


def _root(venv: str, environ: Mapping[str, str]) -> str:
    """Return the root of the worktree whose environment the shell is to get, absolute.

    If several repositories share the overlay, it is the one that the shell is in.

    :raises DevpyError: if the overlay is that of none
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
    return name.isascii() and name.isidentifier() and name not in _SHELL_VARIABLES and name != _PROMPT


def _posix(name: str, value: str | None) -> str:
    return f"unset {name}" if value is None else f"export {name}={shlex.quote(value)}"


def _fish(name: str, value: str | None) -> str:
    return f"set -e {name}" if value is None else f"set -gx {name} {quote_for_fish(value)}"
