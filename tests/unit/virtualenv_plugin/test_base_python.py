from __future__ import annotations

from pathlib import Path

import pytest

from devpy_pip_guard.errors import DevpyError
from devpy_virtualenv_plugin import NEWEST_PYTHON, OLDEST_PYTHON
from devpy_virtualenv_plugin.base_python import BasePython, refuse_unfit, untested


def python(prefix: Path, **facts: str) -> BasePython:
    """Return one that carries overlays, but for the given facts."""
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin" / "python3.13").touch()
    return BasePython(str(prefix), "CPython", "3.13.1", "python3.13")._replace(**facts)


def test_fit(tmp_path: Path) -> None:
    refuse_unfit(python(tmp_path))
    (tmp_path / "bin" / "python3.13t").touch()
    refuse_unfit(python(tmp_path / "other")._replace(prefix=str(tmp_path), name="python3.13t"))


@pytest.mark.parametrize(
    ("facts", "problem", "mend"),
    [
        ({"implementation": "PyPy"}, "{}: its Python is PyPy", "conda create -n NAME python pip"),
        ({"implementation": "GraalVM"}, "{}: its Python is GraalVM", "conda create -n NAME python pip"),
        ({"implementation": "PyPy", "version": "2.7.18", "name": "pypy2.7"}, "{}: its Python is PyPy", "conda create"),
        (
            {"version": "3.7.16", "name": "python3.7"},
            "{}: Python 3.7.16 is too old",
            "conda install -p '{}' 'python>=3.8'",
        ),
        ({"version": "2.7.18"}, "{}: Python 2.7.18 is too old", "conda install -p '{}' 'python>=3.8'"),
        ({"name": "python3.13t"}, "{}/bin/python3.13t: no such file", "conda install -p '{}' --force-reinstall python"),
    ],
)
def test_unfit(tmp_path: Path, facts: dict[str, str], problem: str, mend: str) -> None:
    prefix = tmp_path / "my env"
    with pytest.raises(DevpyError) as raised:
        refuse_unfit(python(prefix, **facts))
    assert raised.value.problem.startswith(problem.format(prefix))
    assert mend.format(prefix) in raised.value.mend
    assert "\n" not in str(raised.value.problem) + raised.value.mend


def test_newer_than_tested(tmp_path: Path) -> None:
    newest, next_one = (f"3.{NEWEST_PYTHON[1] + step}.0" for step in (0, 1))
    fit = python(tmp_path)
    for version in (f"3.{OLDEST_PYTHON[1]}.18", newest):
        assert untested(fit._replace(version=version)) == ""
    for version in (next_one, f"{next_one}a1", "4.0.0"):
        told = untested(fit._replace(version=version))
        assert told.startswith(f"{tmp_path}: Python {version} is newer than what this devpy was tested with")
        assert "\n" not in told
