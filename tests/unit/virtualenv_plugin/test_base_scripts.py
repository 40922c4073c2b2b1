from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import devpy_pip_guard
from devpy_virtualenv_plugin import base_scripts, layout

PYTHON = "python{}.{}".format(*sys.version_info[:2])
BODY = "import sys\nprint(sys.argv[0], __name__, sys.argv[1:])\n"


def add_script(base: Path, name: str, header: str, mode: int = 0o755) -> None:
    path = base / "bin" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(header + BODY, encoding="utf-8")
    path.chmod(mode)


def names(base: Path) -> list[str]:
    return sorted(base_scripts.console_scripts(base, PYTHON))


# Each with the base's `bin` in the place of {}.
HEADERS = {
    "python": "#!{}/python\n",
    "python3.11": "#!{}/python3.11\n",
    "with options": "#!{}/python -sE\n",
    "long, pip": "#!/bin/sh\n'''exec' {}/python3.11 \"$0\" \"$@\"\n' '''\n",
    "long, quoted": "#!/bin/sh\n'''exec' \"{}/python\" \"$0\" \"$@\"\n' '''\n",
    "long, single quotes": "#!/bin/sh\n'''exec' '{}/python' \"$0\" \"$@\"\n' '''\n",
    "long, options": "#!/bin/sh\n'''exec' {}/python3.11 -s \"$0\" \"$@\"\n' '''\n",
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_shebangs_of_the_bases_own_python(tmp_path: Path, header: str) -> None:
    add_script(tmp_path, "tool", header.format(tmp_path / "bin"))
    assert names(tmp_path) == ["tool"]


def test_shebangs_that_lead_to_the_base_in_another_way(tmp_path: Path) -> None:
    base = tmp_path / "base"
    add_script(base, "dotted", f"#!{tmp_path}/base/../base/bin/python\n")
    add_script(base, "resolved", f"#!{base}/bin/python\n")
    (tmp_path / "link").symlink_to(base)
    add_script(base, "linked", f"#!{tmp_path}/link/bin/python3\n")
    assert names(base) == names(tmp_path / "link") == ["dotted", "linked", "resolved"]


def test_scripts_of_a_copied_base(tmp_path: Path) -> None:
    """They name the original's Python, on which they would run."""
    for name in ("named", "of-nobody", "shell"):
        add_script(tmp_path, name, "#!/original/bin/python3.11\n" if name != "shell" else "#!/bin/sh\n")
    info = tmp_path / "lib" / "python3.11" / "site-packages" / "sample-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "entry_points.txt").write_text("[console_scripts]\nnamed = m:f\nshell = m:f\n", encoding="utf-8")
    assert names(tmp_path) == ["named"]


@pytest.mark.parametrize("header", [header for name, header in HEADERS.items() if "quote" in name])
def test_shebangs_of_a_base_with_a_space_in_its_path(tmp_path: Path, header: str) -> None:
    base = tmp_path / "sp ace é"
    add_script(base, "tool", header.format(base / "bin"))
    assert names(base) == ["tool"]


@pytest.mark.parametrize(
    "header",
    [
        "#!/usr/bin/python3\n",
        "#!/bin/sh\n",
        "#!/bin/bash\n# {}/python\n",
        "#!{}/perl\n",
        "#!{}/sub/python\n",
        "#!{}x/python\n",
        "#!\n",
        "",
        "\x7fELF",
        "{}/python\n",
    ],
)
def test_other_programs_run_as_they_are(tmp_path: Path, header: str) -> None:
    add_script(tmp_path, "tool", header.format(tmp_path / "bin"))
    assert names(tmp_path) == []


def test_scripts_whose_interpreter_is_looked_up_on_path(tmp_path: Path) -> None:
    """Conda writes `#!/usr/bin/env python` where the prefix is too long or holds a space."""
    add_script(tmp_path, "tool", "#!/usr/bin/env python\n")
    assert names(tmp_path) == ["tool"]


def test_what_is_no_executable_file_is_left_out(tmp_path: Path) -> None:
    header = f"#!{tmp_path}/bin/python\n"
    add_script(tmp_path, "not-executable", header, mode=0o644)
    add_script(tmp_path, "tool", header)
    (tmp_path / "bin" / "folder").mkdir()
    (tmp_path / "bin" / "dangling").symlink_to("nowhere")
    (tmp_path / "bin" / "link").symlink_to("tool")
    (tmp_path / "bin" / "fifo-like").symlink_to("/dev/null")
    assert names(tmp_path) == ["link", "tool"]


@pytest.mark.parametrize("name", ["conda", "conda-env", "mamba", "activate", "deactivate"])
def test_condas_own_tools_are_left_out(tmp_path: Path, name: str) -> None:
    add_script(tmp_path, name, f"#!{tmp_path}/bin/python\n")
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["condor_status", "mambular", "activate-global-python-argcomplete"])
def test_scripts_that_only_start_like_condas_are_taken(tmp_path: Path, name: str) -> None:
    add_script(tmp_path, name, f"#!{tmp_path}/bin/python\n")
    assert names(tmp_path) == [name]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    base = tmp_path / "base"
    add_script(base, "tool", f"#!{base}/bin/python\n")
    add_script(base, "own", f"#!{base}/bin/python\n")
    return base


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    return make_venv(tmp_path / "venv")


def make_venv(venv: Path) -> Path:
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").symlink_to(sys.executable)
    (venv / "bin" / "own").write_text("#!/bin/sh\necho own\n", encoding="utf-8")
    (venv / "bin" / "own").chmod(0o755)
    return venv


def run(script: Path, *args: str) -> str:
    return subprocess.run([script, *args], check=True, capture_output=True, encoding="utf-8", env={}).stdout.strip()


def test_link(venv: Path, base: Path) -> None:
    base_scripts.link(venv, base, PYTHON)
    tool = venv / "bin" / "tool"
    assert run(tool, "a b", "") == f"{tool} __main__ ['a b', '']"
    assert run(venv / "bin" / "own") == "own"
    assert tool.is_symlink()
    assert not os.path.isabs(os.readlink(tool))


def test_link_again_follows_the_base(venv: Path, base: Path) -> None:
    base_scripts.link(venv, base, PYTHON)
    (venv / "bin" / "users-link").symlink_to("/nowhere")
    add_script(base, "new", f"#!{base}/bin/python\n")
    (base / "bin" / "tool").unlink()
    base_scripts.link(venv, base, PYTHON)
    assert sorted(os.listdir(venv / "bin")) == ["new", "own", "python", "users-link"]
    assert run(venv / "bin" / "own") == "own"


def test_script_that_has_left_the_base(venv: Path, base: Path) -> None:
    base_scripts.link(venv, base, PYTHON)
    (base / "bin" / "tool").unlink()
    done = subprocess.run([venv / "bin" / "tool"], check=False, capture_output=True, encoding="utf-8", env={})
    problem, mend = done.stderr.splitlines()
    assert problem.startswith(f"devpy: {base}/bin/tool: ")
    assert mend.endswith("devpy update-editables")
    assert done.returncode == 2


@pytest.mark.parametrize(
    "folder",
    [
        "plain",
        "sp ace",
        "ä",
        "it's",
        'quo"te',
        "dol$lar",
        "back\\slash",
        "\\x",
        "\\N",
        "tab\there",
        "w" * 150,
        "'''",
        "{x}",
    ],
)
@pytest.mark.parametrize("side", ["venv", "base"])
def test_difficult_paths(tmp_path: Path, folder: str, side: str) -> None:
    venv = make_venv(tmp_path / (folder if side == "venv" else "there") / ".venv")
    base = tmp_path / (folder if side == "base" else "here") / "base"
    add_script(base, "tool", "")
    base_scripts.link(venv, base, PYTHON)
    (venv / "bin" / "tool").symlink_to(os.path.join(os.pardir, layout.LAUNCHER))
    assert run(venv / "bin" / "tool", "x") == f"{venv / 'bin' / 'tool'} __main__ ['x']"


@pytest.mark.skipif(sys.platform == "darwin", reason="its file names are UTF-8")
def test_base_whose_path_is_not_utf_8(tmp_path: Path, venv: Path) -> None:
    base = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    (base / "bin").mkdir(parents=True)
    (base / "bin" / "tool").write_bytes(b"#!" + os.fsencode(base) + b"/bin/python\n")
    (base / "bin" / "tool").chmod(0o755)
    base_scripts.link(venv, base, PYTHON)
    (base / "bin" / "tool").write_text("print('works')\n", encoding="utf-8")
    assert run(venv / "bin" / "tool") == "works"


def test_link_in_a_copy_runs_on_the_copys_python(tmp_path: Path, base: Path) -> None:
    show = f"#!{base}/bin/python\nimport sys\nprint(sys.prefix, sys.argv[0], sys.argv[1:])\n"
    (base / "bin" / "tool").write_text(show, encoding="utf-8")
    venvs = [tmp_path / "made", tmp_path / "sp ace"]
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venvs[0]], check=True)
    base_scripts.link(venvs[0], base, PYTHON)
    shutil.copytree(venvs[0], venvs[1], symlinks=True)
    for venv in venvs:
        assert run(venv / "bin" / "tool", "a b") == f"{venv} {venv}/bin/tool ['a b']"


# Distributions that both have.

SITE_PACKAGES = f"lib/{PYTHON}/site-packages"
ENTRY_POINTS = "[console_scripts]\nold = m:f\n# no = m:f\n\n[ gui_scripts ]\nold-window=m:f\n[other]\nnot-one = m:f\n"


def add_metadata(prefix: Path, folder: str, name: str, **files: str) -> None:
    path = prefix / SITE_PACKAGES / folder
    path.mkdir(parents=True)
    (path / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
    for file, text in files.items():
        (path / file.replace("entry_points", "entry_points.txt")).write_text(text, encoding="utf-8")


def add_guard(venv: Path) -> None:
    """Put the guard where the overlay's Python finds it, as the creator does."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    shutil.copytree(Path(devpy_pip_guard.__file__).parent, venv / SITE_PACKAGES / layout.GUARD)


@pytest.fixture
def shared(venv: Path, base: Path) -> tuple[Path, Path]:
    """Two distributions in the base, one of which the overlay gets, too."""
    for name in ("old", "old-window", "old-file", "not-one"):
        add_script(base, name, f"#!{base}/bin/python\n")
    recorded = "sample.py,sha256=0,1\n../../../bin/old-file,sha256=0,1\nsample/bin/tool,,\n"
    add_metadata(base, "sample_name-1.0.dist-info", "sample-name", entry_points=ENTRY_POINTS, RECORD=recorded)
    add_metadata(base, "other-1.0.dist-info", "other", entry_points="[console_scripts]\ntool = m:f\n")
    add_guard(venv)
    return venv, base


@pytest.mark.parametrize("name", ["sample_name", "Sample.Name", "SAMPLE__name", "sample-name"])
def test_scripts_of_a_distribution_that_the_overlay_has(shared: tuple[Path, Path], name: str) -> None:
    venv, base = shared
    add_metadata(venv, f"{name}-2.0.dist-info", name)
    (venv / "bin" / "old").write_text("#!/bin/sh\necho of the overlay\n", encoding="utf-8")
    (venv / "bin" / "old").chmod(0o755)
    base_scripts.link(venv, base, PYTHON)
    assert run(venv / "bin" / "old") == "of the overlay"
    assert run(venv / "bin" / "tool").endswith("__main__ []")
    assert not os.path.lexists(venv / "bin" / "old-window")
    for script in (venv / devpy_pip_guard.BASE_SCRIPTS / script for script in ("old-window", "old")):
        done = subprocess.run([script], check=False, capture_output=True, encoding="utf-8", env={})
        problem, mend = done.stderr.splitlines()
        has_none = f"the sample-name in {venv} has no such script"
        assert problem == (
            f"devpy: {script.name}: {has_none}, and that of another sample-name, {base}/bin/{script.name}, is not run"
        )
        assert mend.endswith("devpy update-editables --reinstall")
        assert (done.returncode, done.stdout) == (127, "")


def test_scripts_come_back_when_the_distribution_leaves_the_overlay(shared: tuple[Path, Path]) -> None:
    """At once, as in a shell in which pip has just uninstalled it."""
    venv, base = shared
    (venv / SITE_PACKAGES / "sample-name.egg-link").write_text("/src\n.", encoding="utf-8")
    base_scripts.link(venv, base, PYTHON)
    old = venv / devpy_pip_guard.BASE_SCRIPTS / "old"
    assert subprocess.run([old], check=False, capture_output=True, env={}).returncode == 127
    (venv / SITE_PACKAGES / "sample-name.egg-link").unlink()
    assert run(old, "x") == f"{old} __main__ ['x']"


def test_scripts_of_the_bases_egg_link(shared: tuple[Path, Path], tmp_path: Path) -> None:
    venv, base = shared
    egg_info = tmp_path / "src" / "My_Egg.egg-info"
    egg_info.mkdir(parents=True)
    (egg_info / "entry_points.txt").write_text("[console_scripts]\ntool = m:f\n", encoding="utf-8")
    (base / SITE_PACKAGES / "My-Egg.egg-link").write_text(f"{tmp_path}/src\n.", encoding="utf-8")
    add_metadata(venv, "my_egg-2.0.dist-info", "my-egg")
    base_scripts.link(venv, base, PYTHON)
    tool = venv / devpy_pip_guard.BASE_SCRIPTS / "tool"
    done = subprocess.run([tool], check=False, capture_output=True, encoding="utf-8", env={})
    assert done.stderr.startswith(f"devpy: tool: the my-egg in {venv} has no such script")
