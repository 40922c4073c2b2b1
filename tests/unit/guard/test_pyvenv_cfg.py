from __future__ import annotations

from pathlib import Path

import pytest

from devpy_pip_guard import pyvenv_cfg
from devpy_pip_guard.errors import DevpyError


def test_white_space_around_keys_and_values_does_not_count(tmp_path: Path) -> None:
    """As to Python itself (PEP 405), which nothing keeps tools from relying on."""
    cfg = tmp_path / "pyvenv.cfg"
    cfg.write_text("home=/usr/bin\n\nno pair\n  devpy-config  =  /one \u2028 line/devpy.toml \n", encoding="utf-8")
    assert pyvenv_cfg.read(str(cfg)) == {"home": "/usr/bin", "devpy-config": "/one \u2028 line/devpy.toml"}
    assert pyvenv_cfg.keys(str(cfg)) == {"home", "devpy-config"}


@pytest.mark.parametrize("content", [None, b"home = \xff\n", b""])
def test_no_keys(tmp_path: Path, content: bytes | None) -> None:
    cfg = tmp_path / "pyvenv.cfg"
    if content is not None:
        cfg.write_bytes(content)
    assert pyvenv_cfg.keys(str(cfg)) == set()


def test_config_file_is_the_recorded_one(tmp_path: Path) -> None:
    cfg = tmp_path / "pyvenv.cfg"
    cfg.write_text("home = /usr/bin\ndevpy = 1\ndevpy-config = /with = sign/ä/devpy.toml\n", encoding="utf-8")
    assert pyvenv_cfg.config_file(str(cfg)) == "/with = sign/ä/devpy.toml"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"home = /usr/bin\n", "devpy-config: missing"),
        (b"devpy-config =\n", "devpy-config: missing"),
        (b"home = \xff\n", "not UTF-8 at byte 7"),
        (None, "No such file or directory"),
    ],
)
def test_overlay_that_names_no_config_file_is_refused(tmp_path: Path, content: bytes | None, problem: str) -> None:
    cfg = tmp_path / "pyvenv.cfg"
    if content is not None:
        cfg.write_bytes(content)

    with pytest.raises(DevpyError) as refused:
        pyvenv_cfg.config_file(str(cfg))

    assert refused.value.problem == f"{cfg}: {problem}"
    assert "devpy update-editables" in refused.value.mend
