"""What a worker host does for one connection: a process, and the messages to it and back."""

from __future__ import annotations

import time
from contextlib import suppress
from multiprocessing.connection import Connection, wait

from app.engine.process_child import SetUp
from app.engine.spawned import SpawnedProcess
from app.engine.wire import Wire
from app.engine.workers import ModelSpec


def relay(service: Wire, spec: ModelSpec, set_up: SetUp | None, stopping: Connection, grace_s: float) -> str:
    """Serve ``spec``'s worker to ``service`` until one of the two ends, or the host.

    Called in a thread of its own, which the process does not outlive.

    Args:
        service: a connection whose next message is a call.
        stopping: becomes readable when the host is to stop; a call under way may then take ``grace_s`` seconds.

    Returns:
        what ended it, for the log.
    """
    try:
        process = SpawnedProcess(spec, set_up)
    except OSError as error:
        reason = f"the worker host can't start a process for it ({error.strerror or error})"
        service.say_last(reason)
        return reason
    exchange = _Exchange(service, process)
    try:
        return exchange.run(stopping, grace_s)
    finally:
        if exchange.is_busy:  # it would not see that its pipe is closed
            process.abort()
        process.close()


class _Exchange:
    def __init__(self, service: Wire, process: SpawnedProcess) -> None:
        self._service = service
        self._process = process
        self._unanswered = 0

    @property
    def is_busy(self) -> bool:
        return self._unanswered > 0

    def run(self, stopping: Connection, grace_s: float) -> str:
        watched = [self._service.pipe, self._process.pipe, stopping]
        deadline: float | None = None
        while deadline is None or (self.is_busy and time.monotonic() < deadline):
            ready = wait(watched, None if deadline is None else max(0.0, deadline - time.monotonic()))
            if stopping in ready:
                watched.remove(stopping)
                deadline = time.monotonic() + grace_s
            ended = self._pass_answer() if self._process.pipe in ready else None
            if ended is None and self._service.pipe in ready:
                ended = self._pass_call()
            if ended is not None:
                return ended
        return "the worker host stops"

    def _pass_answer(self) -> str | None:
        try:
            answer = self._process.pipe.recv_bytes()
        except (EOFError, OSError):
            how = f"on the worker host, {self._process.how_it_ended()}"
            self._service.say_last(how)
            return how
        self._unanswered -= 1
        try:
            self._service.pipe.send_bytes(answer)
        except OSError:
            return "the service left"
        return None

    def _pass_call(self) -> str | None:
        try:
            call = self._service.pipe.recv_bytes()
        except (EOFError, OSError):
            return "the service left"
        self._unanswered += 1
        # If this fails, the process is dead: its end of the pipe says how, and is looked at next.
        with suppress(OSError):
            self._process.pipe.send_bytes(call)
        return None
