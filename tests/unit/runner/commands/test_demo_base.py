from __future__ import annotations

import sys
from pathlib import Path

import pytest

from devpy_pip_guard.errors import DevpyError
from devpy_runner.commands import demo_base


def test_python_that_carries_no_overlay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.implementation, "name", "pypy")
    with pytest.raises(DevpyError, match=f"{sys.executable} does not work as a base: it is pypy") as raised:
        demo_base.make(str(tmp_path / "base"))
    assert raised.value.mend.endswith("devpy demo --base NAME")
    assert not (tmp_path / "base").exists()
