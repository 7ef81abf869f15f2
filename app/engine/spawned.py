"""A spawned process that serves a worker at the other end of a pipe."""

from __future__ import annotations

import signal
from multiprocessing import connection, get_context
from typing import Final

from app.engine.process_child import SetUp, serve
from app.engine.workers import ModelSpec

# How long a process that was told to end may take to do so, and again before it is killed.
_GRACE_S: Final = 2.0


class SpawnedProcess:
    """The process of ``spec``'s worker; it runs from here on.

    It is spawned, not forked: torch and CUDA don't survive a fork. Closing the pipe ends it, so it ends with its
    parent, even when that is killed. Where the system can, it ends with the thread that made it, too. It is a
    :class:`app.engine.proxy.Link`.
    """

    def __init__(self, spec: ModelSpec, set_up: SetUp | None) -> None:
        """``set_up`` is called first in the process. Raises OSError where none can be started."""
        context = get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(spec, theirs, set_up), name=spec.name, daemon=True)
        try:
            self._process.start()
        except BaseException:
            self.pipe.close()
            raise
        finally:
            theirs.close()  # while a copy is open here, the end of the process would not be seen

    @property
    def pid(self) -> int | None:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        # By its sentinel: asking the process itself would reap it under the thread that waits for it.
        return not connection.wait([self._process.sentinel], 0)

    def abort(self) -> None:
        self._process.kill()

    def how_it_ended(self) -> str:
        """``its process ended with ...``; killed first where its pipe broke and it runs on."""
        self._process.join(_GRACE_S)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join()
        return _sentence(self._process.exitcode or 0)

    def close(self) -> None:
        """End it, in order where it lets itself be, and forget it."""
        self.pipe.close()
        self._process.join(_GRACE_S)
        for end in (self._process.terminate, self._process.kill):
            if self._process.exitcode is None:
                end()
                self._process.join(_GRACE_S)
        self._process.join()
        self._process.close()


def _sentence(exit_code: int) -> str:
    if exit_code >= 0:
        return f"its process ended with exit code {exit_code}"
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:
        name = f"signal {-exit_code}"
    hint = ", as the system does where memory runs out" if name == "SIGKILL" else ""
    return f"its process was killed by {name}{hint}"
