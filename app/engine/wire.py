"""Connections between a service and its worker hosts: TCP that speaks :mod:`multiprocessing.connection`.

The frames, the pickling and the mutual challenge over a shared key (HMAC) are the standard library's. Sockets are made
here, because its ``Listener`` lets one silent caller hold up all others and its ``Client`` knows neither a time limit
nor IPv6.

What travels is pickled: **whoever has the key can run code on both sides**, and nothing is encrypted. The key keeps
strangers out; the network has to be a private one.
"""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, answer_challenge, deliver_challenge
from typing import Final

from app import __version__
from app.engine.placement import WorkerAddress
from app.engine.process_child import Answer, Failure
from app.engine.workers import WorkerDiedError, WorkerUnreachableError

CONNECT_TIMEOUT_S: Final = 5.0
#: How long all may take that comes before the first call: key, versions, spec.
HANDSHAKE_TIMEOUT_S: Final = 10.0

# A peer that vanished without a word is missed after 25 s, whether it is waited for or written to.
_SOCKET_OPTIONS: Final = (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 25_000))
_PEER_ENDED: Final = getattr(select, "POLLRDHUP", select.POLLHUP)  # also while data of its is unread, on Linux
_MAX_HELLO: Final = 256
_HELLO: Final = "tastespace "


class HandshakeError(Exception):
    """The other side is not one to work with; the message is one clear sentence."""


class Wire:
    """A connection; a :class:`app.engine.proxy.Link`."""

    def __init__(self, sock: socket.socket) -> None:
        """Takes over ``sock``, which must be connected. Raises OSError, ``sock`` being closed then."""
        try:
            sock.settimeout(None)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in _SOCKET_OPTIONS:
                if hasattr(socket, name):
                    sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
            self.pipe: Connection = Connection(sock.dup().detach())
        except OSError:
            sock.close()
            raise
        self._socket = sock

    def abort(self) -> None:
        with suppress(OSError):  # the other side was faster
            self._socket.shutdown(socket.SHUT_RDWR)

    @property
    def is_alive(self) -> bool:
        """Whether neither side has ended it."""
        poll = select.poll()
        poll.register(self._socket, _PEER_ENDED)
        return not poll.poll(0)

    def say_last(self, reason: str) -> None:
        """Tell the service why this connection ends; to be closed then."""
        with suppress(OSError):  # it left
            self.pipe.send(Answer(failure=Failure("died", WorkerDiedError.__name__, reason)))

    def last_words(self) -> str | None:
        """What a worker host said before it ended a connection that is broken now."""
        try:
            answer = self.pipe.recv() if self.pipe.poll() else None
        except (EOFError, OSError):
            return None
        return answer.failure.message if isinstance(answer, Answer) and answer.failure is not None else None

    def close(self) -> None:
        self.pipe.close()
        self._socket.close()

    @contextmanager
    def limited(self, seconds: float) -> Iterator[threading.Event]:
        """Abort the connection when the block takes longer; the event says that it came to that."""
        late = threading.Event()

        def end() -> None:
            late.set()
            self.abort()

        timer = threading.Timer(seconds, end)
        timer.daemon = True
        timer.start()
        try:
            yield late
        finally:
            timer.cancel()
            timer.join()  # it must not end what comes after


def connect(address: WorkerAddress, key: bytes, *, version: str = __version__) -> Wire:
    """The service's side: a connection to the worker host at ``address`` that is ready for a spec.

    Raises:
        WorkerUnreachableError: nothing answers there now.
        WorkerDiedError: what answers has another key or version, or is no worker host.
    """
    try:
        wire = Wire(socket.create_connection((address.host, address.port), CONNECT_TIMEOUT_S))
    except OSError as error:
        raise WorkerUnreachableError(
            f"no worker host answers at {address} ({error.strerror or error}); "
            f"start one there with `tastespace worker`, or correct TASTESPACE_PLACEMENT"
        ) from error
    try:
        with wire.limited(HANDSHAKE_TIMEOUT_S) as late:
            _present(wire, address, key, version, late)
    except BaseException:
        wire.close()
        raise
    return wire


def _present(wire: Wire, address: WorkerAddress, key: bytes, version: str, late: threading.Event) -> None:
    try:
        answer_challenge(wire.pipe, key)
        deliver_challenge(wire.pipe, key)
        theirs = _exchange_versions(wire.pipe, version)
    except AuthenticationError as error:
        raise WorkerDiedError(
            f"the worker host at {address} has another key; set TASTESPACE_WORKER_KEY to the same on both sides"
        ) from error
    except (EOFError, ConnectionError) as error:
        how = f"did not answer within {HANDSHAKE_TIMEOUT_S:g} s" if late.is_set() else "hung up"
        raise WorkerUnreachableError(
            f"what listens at {address} {how}; is a worker host (`tastespace worker`) there?"
        ) from error
    except (AssertionError, OSError, HandshakeError) as error:  # the standard library asserts what it reads
        raise WorkerDiedError(f"what listens at {address} is no worker host; correct TASTESPACE_PLACEMENT") from error
    if theirs != version:
        raise WorkerDiedError(
            f"the worker host at {address} runs Tastespace {theirs} and this service {version}; "
            "run the same version on both"
        )


def receive(wire: Wire, key: bytes, version: str) -> None:
    """The worker host's side of :func:`connect`.

    Raises:
        HandshakeError: the caller has another key or version, or speaks otherwise.
        EOFError, ConnectionError: it left, or was cut off.
    """
    try:
        deliver_challenge(wire.pipe, key)
        answer_challenge(wire.pipe, key)
        theirs = _exchange_versions(wire.pipe, version)
    except AuthenticationError as error:
        raise HandshakeError("it has another key; set TASTESPACE_WORKER_KEY to the same on both sides") from error
    except (EOFError, ConnectionError):
        raise
    except (AssertionError, OSError) as error:
        raise HandshakeError("it is no Tastespace service") from error
    if theirs != version:
        raise HandshakeError(
            f"it runs Tastespace {theirs} and this worker host {version}; run the same version on both"
        )


def _exchange_versions(pipe: Connection, version: str) -> str:
    """The other side's. As bytes: nothing is unpickled before it is known that both sides read it alike."""
    pipe.send_bytes(f"{_HELLO}{version}".encode())
    hello = pipe.recv_bytes(_MAX_HELLO).decode(errors="replace")
    if not hello.startswith(_HELLO):
        raise HandshakeError("it does not say its version")
    return hello.removeprefix(_HELLO)
