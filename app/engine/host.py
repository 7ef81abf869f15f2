"""A worker host: the program that runs the models of services elsewhere."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from logging import getLogger
from multiprocessing import Pipe
from multiprocessing.connection import wait
from typing import Final, Self

from app import __version__
from app.engine.placement import WorkerAddress
from app.engine.process_child import SetUp
from app.engine.relay import relay
from app.engine.wire import HANDSHAKE_TIMEOUT_S, HandshakeError, Wire, receive
from app.engine.workers import ModelSpec

_logger = getLogger(__name__)

_PAUSE_S: Final = 0.1
_CLOSING_S: Final = 10.0  # what a process may take to be ended and killed, and some


def _as_it_is(spec: ModelSpec) -> ModelSpec:
    return spec


class WorkerHost:
    """Keeps one process for each connection that knows the key, for as long as both last.

    Each connection has a thread of its own. A process that dies, or a caller that says nothing or nonsense, costs
    nobody else anything.
    """

    def __init__(
        self,
        host: str,
        port: int,
        key: bytes,
        *,
        adapt: Callable[[ModelSpec], ModelSpec] = _as_it_is,
        set_up: SetUp | None = None,
        version: str = __version__,
        handshake_timeout_s: float = HANDSHAKE_TIMEOUT_S,
        max_strangers: int = 64,
        grace_s: float = 5.0,
    ) -> None:
        """Listens from here on; :meth:`serve` accepts.

        Args:
            host, port: where to listen; port 0 is any free one.
            key: the secret that callers must know; not empty.
            adapt: makes of the spec that a service sends what this machine runs.
            set_up: called first in each process; without it, they log warnings to standard error.
            handshake_timeout_s: how long a caller may take to show that it knows the key, and send its spec.
            max_strangers: connections that may be in that at once; one more, and the oldest is cut off.
            grace_s: how long calls under way may take once the host is to stop.

        Raises:
            OSError: it can't listen there.
        """
        if not key:
            raise ValueError("a worker host needs a key")
        self._key, self._version = key, version
        self._adapt, self._set_up = adapt, set_up
        self._handshake_timeout_s, self._max_strangers, self._grace_s = handshake_timeout_s, max_strangers, grace_s
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, backlog=128)
        self.address = WorkerAddress(*self._listener.getsockname()[:2])
        self._stopping, self._stop = Pipe(duplex=False)  # what nobody reads tells all who wait for it
        self._lock = threading.Lock()  # guards the next two
        self._strangers: dict[Wire, threading.Thread] = {}  # the oldest first
        self._threads: set[threading.Thread] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._listener.close()

    def serve(self) -> None:
        """Accept connections until :meth:`stop`, then end them all."""
        while self._stopping not in wait([self._listener, self._stopping]):
            self._accept()
        self._listener.close()
        with self._lock:
            for wire in self._strangers:
                wire.abort()
            threads = list(self._threads)
        deadline = time.monotonic() + self._grace_s + _CLOSING_S
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def stop(self) -> None:
        """Have :meth:`serve` return. Any thread, any time, and signal handlers: so it closes nothing, since a
        descriptor that two close may be somebody else's for the second."""
        self._stop.send_bytes(b"")

    def _accept(self) -> None:
        try:
            sock, peer = self._listener.accept()
            wire = Wire(sock)
        except OSError as error:
            _logger.warning("a connection can't be accepted: %s", error)
            wait([self._stopping], _PAUSE_S)  # out of descriptors, say: it would fail again at once
            return
        caller = str(WorkerAddress(*peer[:2]))
        thread = threading.Thread(target=self._attend, args=(wire, caller), name=f"caller-{caller}", daemon=True)
        if not self._has_room():
            _logger.warning("refused %s: too many connections that have not shown the key yet", caller)
            wire.close()
            return
        with self._lock:
            self._strangers[wire] = thread
            self._threads.add(thread)
        try:
            thread.start()
        except RuntimeError as error:  # the system gives no more threads
            _logger.warning("refused %s: %s", caller, error)
            self._forget(wire, thread)

    def _has_room(self) -> bool:
        """For one more stranger. The oldest gives way: those who stay silent would lock out who knows the key."""
        with self._lock:
            if len(self._strangers) < self._max_strangers:
                return True
            oldest, thread = next(iter(self._strangers.items()))
            oldest.abort()
        _logger.warning(
            "cut off the oldest of %d connections that have not shown the key yet, as another came", self._max_strangers
        )
        thread.join(_PAUSE_S)
        with self._lock:
            return len(self._strangers) < self._max_strangers

    def _attend(self, wire: Wire, caller: str) -> None:
        """One connection, from the challenge to its end."""
        try:
            spec = self._spec_of(wire, caller)
            if spec is not None:
                _logger.info("%s has the %s run here", caller, spec.name)
                ended = relay(wire, self._adapt(spec), self._set_up, self._stopping, self._grace_s)
                _logger.info("the %s of %s ended: %s", spec.name, caller, ended)
        except Exception:
            _logger.exception("the connection of %s failed", caller)
        finally:
            self._forget(wire, threading.current_thread())

    def _forget(self, wire: Wire, thread: threading.Thread) -> None:
        with self._lock:
            self._strangers.pop(wire, None)
            self._threads.discard(thread)
        wire.close()

    def _spec_of(self, wire: Wire, caller: str) -> ModelSpec | None:
        """What the caller wants run; None where it isn't welcome or left."""
        with wire.limited(self._handshake_timeout_s) as late:
            try:
                receive(wire, self._key, self._version)
                spec: ModelSpec = wire.pipe.recv()
            except HandshakeError as error:
                _logger.warning("refused %s: %s", caller, error)
                return None
            except (EOFError, OSError):
                if late.is_set():
                    _logger.warning("cut off %s, which was silent for %g s", caller, self._handshake_timeout_s)
                else:
                    _logger.debug("%s left without a word, as a health check does", caller)
                return None
            except Exception as error:
                wire.say_last(f"the worker host can't read what it is to run ({type(error).__name__}: {error})")
                raise
        with self._lock:
            del self._strangers[wire]
        return spec
