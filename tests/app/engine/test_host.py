"""Who a worker host lets in, and that one that it does not costs the others nothing."""

from __future__ import annotations

import errno
import logging
import os
import pickle
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from app import __version__
from app.engine.host import WorkerHost
from app.engine.placement import WorkerAddress
from app.engine.remote import RemoteWorker
from app.engine.specs import CaptionerSpec, EncoderSpec, on_this_machine
from app.engine.types import Operation
from app.engine.wire import Wire, connect
from app.engine.workers import WorkerDiedError, WorkerUnreachableError
from tests.app.engine.fakes import PATIENCE_S
from tests.app.engine.hosting import KEY, hosting, nowhere
from tests.app.engine.process_fakes import ScriptedSpec
from tests.app.engine.test_lane_faults import wait_until

TEXT = Operation.ENCODE_TEXT


def raw(host: WorkerHost) -> socket.socket:
    return socket.create_connection((host.address.host, host.address.port), PATIENCE_S)


def ended(sock: socket.socket) -> bool:
    """Reads up to the end that the host makes."""
    try:
        while sock.recv(4096):
            pass
    except ConnectionError:
        pass
    return True


def welcomed(host: WorkerHost) -> bool:
    connect(host.address, KEY).close()
    return True


def test_another_key_is_refused_and_named_on_both_sides(caplog: pytest.LogCaptureFixture) -> None:
    with hosting() as host:
        with pytest.raises(
            WorkerDiedError, match=f"worker host at {host.address} has another key; set TASTE"
        ) as caught:
            connect(host.address, b"another key than that")
        assert not isinstance(caught.value, WorkerUnreachableError), "a mistake to mend, not to wait for"
        wait_until(lambda: "it has another key; set TASTESPACE_WORKER_KEY" in caplog.text)
        assert welcomed(host)


def test_another_version_is_refused_and_named_on_both_sides(caplog: pytest.LogCaptureFixture) -> None:
    with hosting(version="9.9.9") as host:
        with pytest.raises(
            WorkerDiedError, match=rf"runs Tastespace 9\.9\.9 and this service {__version__}; run the same"
        ):
            connect(host.address, KEY)
        wait_until(lambda: f"it runs Tastespace {__version__} and this worker host 9.9.9" in caplog.text)


def test_no_host_without_a_key() -> None:
    with pytest.raises(ValueError, match="needs a key"):
        WorkerHost("127.0.0.1", 0, b"")


@pytest.mark.fault
@pytest.mark.parametrize("knows_the_key", [False, True])
def test_who_stays_silent_holds_up_nobody_and_is_cut_off(caplog: pytest.LogCaptureFixture, knows_the_key: bool) -> None:
    with hosting(handshake_timeout_s=0.3) as host:
        silent = connect(host.address, KEY) if knows_the_key else Wire(raw(host))
        assert welcomed(host)
        wait_until(lambda: not silent.is_alive)
        silent.close()
        wait_until(lambda: "which was silent for 0.3 s" in caplog.text)


@pytest.mark.fault
@pytest.mark.parametrize(
    ("nonsense", "reason"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "it is no Tastespace service"),
        (struct.pack("!i", 257), "it is no Tastespace service"),
        (struct.pack("!iQ", -1, 2**63), "it is no Tastespace service"),
        (struct.pack("!i", -2), "it has another key"),  # read as an empty frame
        (struct.pack("!i", 0), "it has another key"),
    ],
)
def test_nonsense_is_refused_before_it_is_waited_for(
    caplog: pytest.LogCaptureFixture, nonsense: bytes, reason: str
) -> None:
    with hosting(handshake_timeout_s=10 * PATIENCE_S) as host:
        with raw(host) as sock:
            sock.sendall(nonsense)
            assert ended(sock)
        wait_until(lambda: reason in caplog.text)
        assert welcomed(host)


class Footprint:
    """Unpickled, it makes a folder."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self._path),)


@pytest.mark.fault
def test_nothing_of_a_stranger_is_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with hosting() as host, raw(host) as sock:
        frame = pickle.dumps(Footprint(path))
        sock.sendall(4 * (struct.pack("!i", len(frame)) + frame))  # for each message of the handshake, and the spec
        assert ended(sock)
        assert len(frame) <= 256, "it is read"
    assert not path.exists()
    pickle.loads(frame)
    assert path.exists()


@pytest.mark.fault
def test_strangers_are_bounded_and_lock_nobody_out(caplog: pytest.LogCaptureFixture) -> None:
    with hosting(max_strangers=2, handshake_timeout_s=10 * PATIENCE_S) as host:
        with raw(host) as first, raw(host) as second:
            assert first.recv(1), "it is challenged"
            assert second.recv(1)
            assert welcomed(host)
            assert ended(first), "who was silent for longest gives way"
        assert "cut off the oldest of 2 connections that have not shown the key yet" in caplog.text


@pytest.mark.fault
def test_a_stranger_that_gives_no_way_keeps_others_out(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, let_go = threading.Event(), threading.Event()

    def stuck(*_: object) -> None:
        entered.set()
        assert let_go.wait(PATIENCE_S)
        raise EOFError

    monkeypatch.setattr("app.engine.host.receive", stuck)
    with hosting(max_strangers=1) as host:
        with raw(host):
            assert entered.wait(PATIENCE_S)
            with pytest.raises(WorkerUnreachableError, match="hung up"):
                connect(host.address, KEY)
        let_go.set()
    assert "too many connections that have not shown the key" in caplog.text


@pytest.mark.fault
def test_a_lack_of_descriptors_ends_no_host(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(sock: socket.socket) -> Wire:
        sock.close()
        raise OSError(errno.EMFILE, "Too many open files")

    with hosting() as host:
        with monkeypatch.context() as patch:
            patch.setattr("app.engine.host.Wire", lacking)
            with raw(host) as sock:
                assert ended(sock)
        assert welcomed(host)
    assert "a connection can't be accepted: [Errno 24] Too many open files" in caplog.text


def test_a_health_check_is_no_news(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "app.engine.host")
    with hosting() as host:
        with raw(host) as sock:
            assert sock.recv(1)
        wait_until(lambda: "left without a word" in caplog.text)
    assert not [record for record in caplog.records if record.levelno > logging.DEBUG]


@pytest.mark.fault
def test_a_spec_that_cannot_be_read_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with hosting() as host:
        wire = connect(host.address, KEY)
        wire.pipe.send_bytes(pickle.dumps(RemoteWorker).replace(b"RemoteWorker", b"FutureWorker"))
        wait_until(lambda: not wire.is_alive)
        assert str(wire.last_words()).startswith("the worker host can't read what it is to run (AttributeError: ")
        wire.close()
        assert welcomed(host)


@pytest.mark.fault
def test_it_stops_while_a_stranger_waits() -> None:
    with hosting() as host, raw(host) as sock:
        assert sock.recv(1)
        host.stop()
        assert ended(sock)


@pytest.mark.fault
def test_it_stops_however_many_processes_cannot_be_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    let_go = threading.Event()
    stuck = threading.Semaphore(0)

    def relay(*_: object) -> str:
        stuck.release()
        let_go.wait()
        return "it was let go"

    monkeypatch.setattr("app.engine.host.relay", relay)
    monkeypatch.setattr("app.engine.host._CLOSING_S", PATIENCE_S / 20)
    with hosting() as host, ExitStack() as wires:
        for _ in range(30):
            wire = connect(host.address, KEY)
            wires.callback(wire.close)
            wire.pipe.send(ScriptedSpec())
            assert stuck.acquire(timeout=PATIENCE_S)
        wires.callback(let_go.set)
        host.stop()
        thread = next(each for each in threading.enumerate() if each.name == "worker-host")
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def test_it_may_be_told_to_stop_while_it_is_told_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second signal: a descriptor that is closed twice may be somebody else's by then."""
    with WorkerHost("127.0.0.1", 0, KEY) as host:
        close = Connection._close  # type: ignore[attr-defined]

        def interrupted(connection: Connection) -> None:
            close(connection)
            host.stop()

        with monkeypatch.context() as patch:
            patch.setattr(Connection, "_close", interrupted)
            host.stop()
            host.stop()
        host.serve()


def test_it_listens_on_ipv6() -> None:
    try:
        host = WorkerHost("::1", 0, KEY)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with host:
        thread = threading.Thread(target=host.serve)
        thread.start()
        assert str(host.address).startswith("[::1]:")
        assert welcomed(host)
        host.stop()
        thread.join(PATIENCE_S)


def _hang_up(sock: socket.socket) -> None:
    sock.close()


def _speak_otherwise(sock: socket.socket) -> None:
    with sock:
        sock.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
        ended(sock)


@pytest.mark.parametrize(
    ("listener", "error", "sentence"),
    [
        (_hang_up, WorkerUnreachableError, "hung up; is a worker host (`tastespace worker`) there?"),
        (_speak_otherwise, WorkerDiedError, "is no worker host; correct TASTESPACE_PLACEMENT"),
    ],
)
def test_what_is_no_worker_host_is_named(
    listener: Callable[[socket.socket], None], error: type[Exception], sentence: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=lambda: listener(server.accept()[0]))
        thread.start()
        address = WorkerAddress(*server.getsockname())
        with pytest.raises(error) as caught:
            connect(address, KEY)
        thread.join(PATIENCE_S)
    assert f"what listens at {address} {sentence}" in str(caught.value)


def test_where_nothing_listens_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    address = nowhere()
    with pytest.raises(WorkerUnreachableError) as caught:
        connect(address, KEY)
    assert str(caught.value).startswith(f"no worker host answers at {address} (Connection refused); start one there")
    assert "`tastespace worker`" in str(caught.value)

    def unresolved(*_: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "create_connection", unresolved)
    with pytest.raises(WorkerUnreachableError, match=r"at worker:8100 \(Name or service not known\)"):
        connect(WorkerAddress("worker", 8100), KEY)


def test_cores_and_folders_are_the_hosts_own() -> None:
    encoder = EncoderSpec("encoder", "tastespace-lite", "cuda:0", threads=8, cache=Path("/service"))
    assert on_this_machine(encoder, threads=2, cache=Path("/host")) == EncoderSpec(
        "encoder", "tastespace-lite", "cuda:0", threads=2, cache=Path("/host")
    )
    captioner = CaptionerSpec("captioner", "tell:folder", "cuda:0", threads=8)
    assert on_this_machine(captioner, threads=0, cache=Path("/host")) == CaptionerSpec(
        "captioner", "tell:folder", "cuda:0"
    )
    other = ScriptedSpec()
    assert on_this_machine(other, threads=2, cache=Path("/host")) is other
