"""The command line over a slow fake engine, in a process that can be interrupted."""

from __future__ import annotations

import app.runtime
from app.cli.main import main
from tests.app.importers.driver import SlowEngine

if __name__ == "__main__":
    app.runtime.local_engine = lambda settings, metrics: SlowEngine()  # type: ignore[assignment, return-value]
    main()
