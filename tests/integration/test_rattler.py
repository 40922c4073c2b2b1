"""Activation, beside that of another program that activates conda environments."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from rattler.shell import ActivationVariables, PathModificationBehavior, Shell
from rattler.shell import activate as rattler_activate

from devpy_runner.activate.activation import CondaSettings, activate

FILES = {
    "conda-meta/state": json.dumps({"env_vars": {"A": "s", "Q": "two words, é"}}),
    "etc/conda/env_vars.d/p.json": '{"A": "p", "B": "p"}',
    "etc/conda/activate.d/a.sh": "",
    "etc/conda/activate.d/b.sh": "",
    "etc/conda/activate.d/c.sh": "",
}


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "env" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path / "env"


@pytest.mark.parametrize("active", [False, True])
def test_same_activation(tmp_path: Path, prefix: Path, active: bool) -> None:
    """As far as both give alike: PATH without condabin, variables that are text without a `$`, the order of scripts."""
    environ = {"PATH": "/opt/x:/usr/bin:/bin"}
    old = None
    if active:
        old = tmp_path / "envs" / "o"
        (old / "conda-meta").mkdir(parents=True)
        environ = {"PATH": f"{old}/bin:/usr/bin:/bin", "CONDA_PREFIX": str(old), "CONDA_SHLVL": "1"}

    variables = ActivationVariables(old, environ["PATH"].split(":"), PathModificationBehavior.Replace)
    script = rattler_activate(prefix, variables, Shell.bash).script
    done = subprocess.run(
        ["/bin/bash", "-c", f"{script}\nexec /usr/bin/env -0"], env=environ, capture_output=True, check=True
    )
    by_rattler = dict(entry.split("=", 1) for entry in done.stdout.decode().split("\0") if entry)

    activation = activate(environ, str(prefix), CondaSettings(root_prefix=None, envs_dirs=[]))
    by_devpy = {**activation.caller, **activation.exports}
    for name in ("PATH", "CONDA_PREFIX", "A", "B", "Q"):
        assert by_devpy[name] == by_rattler[name], name
    places = [script.index(path) for path in activation.activate_scripts]
    assert len(places) == 3
    assert places == sorted(places)
