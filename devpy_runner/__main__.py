"""`devpy` and `python -m devpy_runner`."""

from devpy_runner.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
