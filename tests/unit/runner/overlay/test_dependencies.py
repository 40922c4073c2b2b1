from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import pytest

from devpy_runner.overlay import dependencies
from devpy_runner.overlay.pip import InstallError, Pip

pytestmark = pytest.mark.bounds


class RecordingPip:
    """In the place of pip: remembers what it was asked for, and the constraints, which are there only meanwhile."""

    def __init__(self) -> None:
        self.requirements: list[str] = []
        self.constraints: list[str] = []
        self.calls = 0
        self.error: InstallError | None = None

    def run(self, arguments: list[str], task: str) -> None:
        assert arguments[0] == "install"
        assert task
        position = arguments.index("--constraint")
        self.constraints = Path(arguments[position + 1]).read_text("utf-8").splitlines()
        self.requirements = [*arguments[1:position], *arguments[position + 2 :]]
        self.calls += 1
        if self.error is not None:
            raise self.error


class Overlay:
    """An overlay on a base, each with nothing but the metadata of its distributions."""

    def __init__(self, folder: Path) -> None:
        self.site_packages, self.base_site_packages = folder / "overlay", folder / "base"
        self.site_packages.mkdir()
        self.base_site_packages.mkdir()
        self.pip = RecordingPip()

    def add_editable(self, name: str, *requires: str) -> None:
        add(self.site_packages, name, "1.0", requires)
        origin = {"url": f"file:///repo/{name}", "dir_info": {"editable": True}}
        (self.site_packages / f"{name}.dist-info" / "direct_url.json").write_text(json.dumps(origin), encoding="utf-8")

    def install(self) -> RecordingPip:
        dependencies.install(str(self.site_packages), str(self.base_site_packages), cast("Pip", self.pip))
        return self.pip


def add(site_packages: Path, name: str, version: str, requires: tuple[str, ...] = ()) -> None:
    folder = site_packages / f"{name}.dist-info"
    folder.mkdir()
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    (folder / "METADATA").write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture
def overlay(tmp_path: Path) -> Overlay:
    return Overlay(tmp_path)


def test_nothing_required_is_nothing_to_install(overlay: Overlay) -> None:
    overlay.add_editable("alpha")
    assert overlay.install().calls == 0


def test_each_requirement_once_with_its_markers(overlay: Overlay) -> None:
    overlay.add_editable("alpha", "six", 'tomli; python_version < "3.11"', "attrs>=20")
    overlay.add_editable("beta", "six")
    pip = overlay.install()
    assert sorted(pip.requirements) == ["attrs>=20", "six", 'tomli; python_version < "3.11"']
    assert pip.calls == 1


def test_editables_do_not_require_one_another(overlay: Overlay) -> None:
    overlay.add_editable("alpha-one", "Beta_Two>=9", "six")
    overlay.add_editable("beta.two", "alpha_one[extra]==0.1")
    assert overlay.install().requirements == ["six"]


@pytest.mark.parametrize("requirement", ["pytz>dev", "numpy>=1.0.*", "six (>=1.0", 'tomli; python == "3"'])
def test_requirement_that_packaging_refuses_is_left_to_pip(overlay: Overlay, requirement: str) -> None:
    overlay.add_editable("alpha", requirement)
    assert overlay.install().requirements == [requirement]


def test_requirement_that_packaging_refuses_may_name_another_editable(overlay: Overlay) -> None:
    overlay.add_editable("alpha", "Beta_Two>=1.0.*", "six", "???")
    overlay.add_editable("beta.two")
    assert overlay.install().requirements == ["six"]


def test_requirements_of_regular_packages_are_theirs(overlay: Overlay) -> None:
    overlay.add_editable("alpha", "six")
    add(overlay.site_packages, "regular", "1.0", ("attrs",))
    assert overlay.install().requirements == ["six"]


def test_requirements_of_extras_are_left_to_pip(overlay: Overlay) -> None:
    """Without the extra, its marker is false, and pip leaves it out."""
    overlay.add_editable("alpha", "six", 'pytest; extra == "test"')
    assert sorted(overlay.install().requirements) == ['pytest; extra == "test"', "six"]


def test_base_is_pinned(overlay: Overlay) -> None:
    overlay.add_editable("alpha", "six")
    add(overlay.base_site_packages, "torch", "2.1.0+cu121")
    add(overlay.base_site_packages, "numpy", "1.26.4")
    assert sorted(overlay.install().constraints) == ["numpy==1.26.4", "torch==2.1.0+cu121"]


def test_package_of_the_base_that_the_overlay_replaces_is_not_pinned(overlay: Overlay) -> None:
    overlay.add_editable("My_Project", "six")
    add(overlay.base_site_packages, "my-project", "0.1")
    add(overlay.base_site_packages, "numpy", "1.26.4")
    assert overlay.install().constraints == ["numpy==1.26.4"]


@pytest.mark.parametrize(
    ("version", "is_pinned"),
    [
        ("1", True),
        ("2024.1.post1", True),
        ("1.0rc1", True),
        ("1.0.dev3+g1234", True),
        ("1!2.0", True),
        ("1.0-custom", False),
        ("unknown", False),
        ("2004d; evil", False),
    ],
)
def test_version_that_pip_would_refuse_is_left_out(overlay: Overlay, version: str, is_pinned: bool) -> None:
    overlay.add_editable("alpha", "six")
    add(overlay.base_site_packages, "odd", version)
    assert overlay.install().constraints == ([f"odd=={version}"] if is_pinned else [])


def test_version_is_pinned_as_every_pip_spells_it(overlay: Overlay) -> None:
    overlay.add_editable("alpha", "six")
    add(overlay.base_site_packages, "odd", "v1.0-1")
    assert overlay.install().constraints == ["odd==1.0.post1"]


def test_broken_metadata_in_the_base(overlay: Overlay) -> None:
    overlay.add_editable("alpha", "six")
    (overlay.base_site_packages / "empty.dist-info").mkdir()
    (overlay.base_site_packages / "no_version.dist-info").mkdir()
    (overlay.base_site_packages / "no_version.dist-info" / "METADATA").write_text("Name: x\n", encoding="utf-8")
    add(overlay.base_site_packages, "numpy", "1.26.4")
    assert overlay.install().constraints == ["numpy==1.26.4"]


def test_broken_metadata_in_the_overlay(overlay: Overlay) -> None:
    overlay.add_editable("alpha", "six")
    (overlay.site_packages / "empty.dist-info").mkdir()
    assert overlay.install().requirements == ["six"]


def test_failure_of_pip_is_passed_on(overlay: Overlay) -> None:
    overlay.add_editable("alpha", "six")
    overlay.pip.error = InstallError("no", "way")
    with pytest.raises(InstallError, match="no"):
        overlay.install()
