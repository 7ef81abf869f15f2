"""Programs that measure and print tables; they never fail on time. Run one as ``python -m benchmarks.NAME``."""
