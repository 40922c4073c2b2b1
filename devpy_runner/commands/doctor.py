"""Check that this worktree's own code is what runs, or tell where modules come from. Changes nothing."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from devpy_pip_guard.errors import DevpyError

from ..activate.execution import caller_environ
from ..doctor import checkup, module_origin
from ..doctor.setup import WorktreeSetup
from ..messages import tell
from ..overlay.state import STALE, refuse_foreign
from ..plugin import FAILED, STATES, Skipped, Verdict
from . import current_root

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from typing import Any

    from ..doctor.module_origin import Origin

_INDENT = " " * 9
"""As wide as the column of the states."""


def add_options(parser: ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "modules", nargs="*", metavar="MODULE", help="tell where MODULE comes from, what it shadows, and why"
    )
    parser.add_argument(
        "--skip", action="append", default=[], metavar="CHECK", help="leave a check out; may be given several times"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def execute(arguments: Namespace) -> int:
    """Print what the checks say, or where modules come from.

    :return: 1 if a check has failed, or a module does not come from where it should, else 0
    :raises DevpyError: if there is no worktree, or for modules no overlay of devpy's whose Python can be asked
    """
    setup = WorktreeSetup(current_root(), caller_environ())
    if arguments.modules:
        return _tell_origins(setup, arguments.modules, as_json=arguments.json)
    verdicts = list(checkup.examine(setup, arguments.skip))
    if arguments.json:
        _print_json(
            {"worktree": setup.root, "verdicts": [each._asdict() for each in verdicts], "counts": _counts(verdicts)}
        )
    else:
        print("\n".join(_lines(verdicts)))
    return 1 if any(verdict.state == FAILED for verdict in verdicts) else 0


def _lines(verdicts: list[Verdict]) -> list[str]:
    lines = []
    width = max(len(verdict.check) for verdict in verdicts)
    for verdict, following in zip(verdicts, [*verdicts[1:], None]):
        lines.append(f"{verdict.state:8} {verdict.check:{width}}  {' '.join(verdict.text.split())}")
        if following is None or (verdict.check, verdict.mend) != (following.check, following.mend):
            lines += [f"{_INDENT}{' ' * width}    {line}" for line in verdict.mend.splitlines()]
    counts = [f"{count} {state}" for state, count in _counts(verdicts).items() if count]
    return [*(line.rstrip() for line in lines), "", ", ".join(counts)]


def _counts(verdicts: list[Verdict]) -> dict[str, int]:
    return {state: sum(verdict.state == state for verdict in verdicts) for state in STATES}


def _tell_origins(setup: WorktreeSetup, names: list[str], *, as_json: bool) -> int:
    for name in names:
        if not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*", name):
            raise DevpyError(f"{name}: not the name of a module", "devpy doctor package.module")
    refuse_foreign(setup.overlay, setup.load_config())
    if setup.overlay.state == STALE:
        tell(f"{setup.config.venv} is stale: {'; '.join(setup.overlay.reasons)}\n  devpy update-editables")
    try:
        origins = module_origin.find(setup, names)
    except Skipped as skipped:
        raise DevpyError(f"{setup.config.venv}: {skipped.reason}", "devpy update-editables") from skipped
    if as_json:
        _print_json({"worktree": setup.root, "modules": [_as_json(origin) for origin in origins]})
    else:
        print("\n\n".join("\n".join(_lines_of_origin(origin)) for origin in origins))
    return 1 if any(origin.problem for origin in origins) else 0


def _lines_of_origin(origin: Origin) -> list[str]:
    lines = [f"{origin.name}: {origin.problem}" if origin.problem else origin.name]
    roles = ["from", *["shadows"] * len(origin.copies[1:])] if origin.copies else []
    for role, copy in zip([*roles, *["left out"] * len(origin.left_out)], [*origin.copies, *origin.left_out]):
        lines += [f"  {role:8} {file}" for file in copy.files]
        lines.append(f"  {'':8}   by {copy.reason}")
        lines += [f"  {'':8}   {copy.owner}"] if copy.owner else []
    return lines


def _as_json(origin: Origin) -> dict[str, Any]:
    return {
        "module": origin.name,
        "from": origin.copies[0]._asdict() if origin.copies else None,
        "shadows": [copy._asdict() for copy in origin.copies[1:]],
        "left_out": [copy._asdict() for copy in origin.left_out],
        "problem": origin.problem,
    }


def _print_json(value: dict[str, Any]) -> None:
    print(json.dumps(value, indent=2))
