"""For all tests: generated examples are the same in every run and take as long as they take, so that a change alone
makes a test fail.

To look for new ones: ``pytest --hypothesis-profile=explore``.
"""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("explore", derandomize=False, deadline=None)
settings.load_profile("repeatable")
