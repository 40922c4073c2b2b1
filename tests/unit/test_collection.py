"""The unit tests are for a machine without conda: what only the integration tests use, they must not need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
COLLECT = """
import sys, pytest
sys.modules["rattler"] = None
sys.exit(pytest.main(["--collect-only", "--quiet", "-p", "no:cacheprovider", sys.argv[1]]))
"""


def test_collected_without_rattler() -> None:
    collected = subprocess.run([sys.executable, "-c", COLLECT, HERE], capture_output=True, text=True, check=False)
    assert collected.returncode == 0, collected.stdout
