"""A monorepo laid out as opentelemetry-python is: 26 packages in one namespace, with names of up to five parts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from .commands import Devpy
from .environments import CondaEnvironment
from .projects import MakeRepository

pytestmark = pytest.mark.slow

MODULES = (
    "opentelemetry_api_shim", "opentelemetry.sdk", "opentelemetry.proto", "opentelemetry.semconv",
    "opentelemetry.test", "opentelemetry.codegen", "opentelemetry.exporter.zipkin", "opentelemetry.exporter.prometheus",
    "opentelemetry.exporter.opencensus", "opentelemetry.exporter.richconsole", "opentelemetry.exporter.jaeger",
    "opentelemetry.propagators.b3", "opentelemetry.propagators.jaeger", "opentelemetry.shim.opentracing_shim",
    "opentelemetry.shim.opencensus", "opentelemetry.exporter.otlp.common", "opentelemetry.exporter.otlp.proto.common",
    "opentelemetry.exporter.otlp.proto.grpc", "opentelemetry.exporter.otlp.proto.http",
    "opentelemetry.exporter.otlp.json.common", "opentelemetry.exporter.otlp.json.http",
    "opentelemetry.exporter.jaeger_proto.grpc", "opentelemetry.exporter.jaeger_thrift.http",
    "opentelemetry.exporter.zipkin_json.v1", "opentelemetry.exporter.zipkin_proto.http",
    "opentelemetry.exporter.otlp.x.y",
)  # fmt: skip
PYPROJECT = """\
[build-system]
requires = ["flit_core>=3.2,<5"]
build-backend = "flit_core.buildapi"

[project]
name = "{name}"
version = "1.0"
description = "A part"
dependencies = ["devpy-test-gone>=1.2", "packaging"]

[tool.flit.module]
name = "{module}"
"""


class Monorepo(NamedTuple):
    """Two worktrees; the overlay of the first is up to date."""

    root: Path
    other: Path
    devpy: Devpy
    environ: dict[str, str]


def name(module: str) -> str:
    return module.replace(".", "-").replace("_", "-")


@pytest.fixture(scope="module")
def monorepo(
    tmp_path_factory: pytest.TempPathFactory, conda_env: CondaEnvironment, devpy_environ: dict[str, str]
) -> Monorepo:
    paths = json.dumps([f"packages/{name(module)}" for module in MODULES])
    files = {"devpy.toml": f'[python]\nbase_conda_env = "{conda_env.name}"\n[editables]\npackages = {paths}\n'}
    for module in MODULES:
        folder = f"packages/{name(module)}"
        files[f"{folder}/pyproject.toml"] = PYPROJECT.format(name=name(module), module=module)
        files[f"{folder}/src/{module.replace('.', '/')}/__init__.py"] = '"""A part."""\n'
    files["tests/test_it.py"] = "def test_it():\n    pass\n"
    repository = MakeRepository(devpy_environ)
    root = repository(tmp_path_factory.mktemp("monorepo") / "main", files=files)
    devpy = Devpy(devpy_environ)
    assert devpy("update-editables", cwd=root).code == 0
    return Monorepo(root, repository.worktree(root, "other"), devpy, devpy_environ)


def place(root: Path, module: str) -> Path:
    return root / "packages" / name(module) / "src" / module.replace(".", "/")


def test_every_package_is_proved(monorepo: Monorepo) -> None:
    out = monorepo.devpy("pytest", cwd=monorepo.root).out
    for module in MODULES:
        assert f"  {name(module)}: {place(monorepo.root, module).relative_to(monorepo.root)}\n" in out


@pytest.mark.parametrize("module", ["opentelemetry.exporter.otlp.proto.http", "opentelemetry.sdk"])
def test_siblings_code_is_refused(monorepo: Monorepo, module: str) -> None:
    source = place(monorepo.other, module)
    folder = monorepo.other / "packages" / name(module) / "src"
    environ = {**monorepo.environ, "PYTHONPATH": str(folder)}
    refused = monorepo.devpy("pytest", cwd=monorepo.root, environ=environ)
    assert refused.code == pytest.ExitCode.USAGE_ERROR
    assert f"comes from {source}" in refused.err
    told = monorepo.devpy("doctor", "--skip", "dependencies", cwd=monorepo.root, environ=environ)
    assert told.code == 1
    assert f"PYTHONPATH: {folder} shadows {module}" in told.out


def test_doctor_says_it_in_few_lines(monorepo: Monorepo) -> None:
    result = monorepo.devpy("doctor", cwd=monorepo.root)
    assert result.code == 1
    lines = result.out.splitlines()
    (unmet,) = (number for number, line in enumerate(lines) if line.startswith("failed   dependencies"))
    assert all(name(module) in lines[unmet] for module in MODULES)
    assert lines[unmet].endswith(" require devpy-test-gone>=1.2, which is not installed")
    assert "'devpy-test-gone>=1.2', or install_deps = true" in lines[unmet + 1]
    assert sum(line.startswith("ok       imports") for line in lines) == len(MODULES)

    assert monorepo.devpy("doctor", "--skip", "dependencies", cwd=monorepo.root).code == 0
    toml = monorepo.root / "devpy.toml"
    text = toml.read_text("utf-8")
    toml.write_text(f'{text}\n[doctor]\nskip = ["dependencies"]\n', encoding="utf-8")
    skipped = monorepo.devpy("doctor", cwd=monorepo.root)
    assert skipped.code == 0
    assert f"skipped  dependencies    left out by doctor.skip in {toml}" in skipped.out
    toml.write_text(text, encoding="utf-8")
    assert monorepo.devpy("doctor", "--skip=nonsense", cwd=monorepo.root).code == 2


def test_one_package_that_ends_the_process(monorepo: Monorepo) -> None:
    """The others are still imported."""
    module = "opentelemetry.exporter.zipkin"
    source = place(monorepo.root, module) / "__init__.py"
    text = source.read_text("utf-8")
    source.write_text("import os\nos._exit(7)\n", encoding="utf-8")
    lines = monorepo.devpy("doctor", "--skip=dependencies", cwd=monorepo.root).out.splitlines()
    source.write_text(text, encoding="utf-8")
    (failed,) = (line for line in lines if line.startswith("failed"))
    assert f"{name(module)} ({monorepo.root}/packages/{name(module)}) cannot be imported" in failed
    assert "exit code 7" in failed
    assert sum(line.startswith("ok       imports") for line in lines) == len(MODULES) - 1


def test_reasons_after_a_move_are_counted(monorepo: Monorepo, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(monorepo.root, tmp_path / "copy", symlinks=True))
    facts = json.loads(monorepo.devpy("info", "--json", cwd=moved).out)
    reasons = facts["overlay reasons"]
    assert f"not installed: {len(MODULES)} packages" in reasons
    assert f"no longer declared: {len(MODULES)} packages" in reasons
    assert len(reasons) <= 5
