"""One SQL database, SQLite or PostgreSQL: read transactions (one snapshot) and write transactions (one at a time)."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import (
    ARRAY,
    URL,
    BigInteger,
    ColumnElement,
    Connection,
    Engine,
    String,
    Text,
    any_,
    bindparam,
    create_engine,
    event,
    func,
    make_url,
    select,
)
from sqlalchemy.exc import ArgumentError

from index.migrations import migrate
from index.schema import read_meta
from index.text import is_storable

BUSY_TIMEOUT_S = 60.0
_WRITE_LOCK_KEY = 0x7A57E59ACE  # any constant will do, as long as every process takes the same


class Database:
    """Engines and transactions. Safe to call from several threads; several processes may share one database."""

    def __init__(self, url: str) -> None:
        """Open (and create or migrate) the database. Raises ValueError on a url that isn't supported, SchemaError."""
        parsed = _parse(url)
        self.dialect: Literal["sqlite", "postgresql"]
        if parsed.get_backend_name() == "sqlite":
            self.dialect, self._engine = "sqlite", _sqlite_engine(parsed)
        else:
            self.dialect, self._engine = "postgresql", _postgresql_engine(parsed)
        # SQLite's own lock is polled, which starves a thread; a process queues its writers itself.
        self._writers = threading.Lock()
        try:
            with self.write() as connection:
                migrate(connection)
                self.catalogue_id = read_meta(connection, "catalogue_id")
        except BaseException:
            self.close()
            raise

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A read transaction: all its statements see one snapshot."""
        engine = self._engine
        if self.dialect == "postgresql":
            engine = engine.execution_options(isolation_level="REPEATABLE READ")
        with engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A write transaction, alone in the whole database: the order of ``changes.seq`` is the order of commits."""
        if self.dialect == "sqlite":
            engine = self._engine.execution_options(immediate=True)
            with self._writers, engine.begin() as connection:
                yield connection
        else:
            with self._engine.begin() as connection:
                connection.execute(select(func.pg_advisory_xact_lock(_WRITE_LOCK_KEY)))
                yield connection

    def close(self) -> None:
        self._engine.dispose()

    def among(self, column: ColumnElement[Any], values: Sequence[int] | Sequence[str]) -> ColumnElement[bool]:
        """``column IN values`` with a single bound parameter, so that no limit on their number applies."""
        held = [value for value in values if not isinstance(value, str) or is_storable(value)]
        if self.dialect == "postgresql":
            kind = Text() if isinstance(column.type, String) else BigInteger()
            return column == any_(bindparam(None, held, type_=ARRAY(kind), unique=True))
        listed = func.json_each(json.dumps(held, ensure_ascii=False)).table_valued("value")
        return column.in_(select(listed.c.value))

    def bytewise(self, column: ColumnElement[str]) -> ColumnElement[str]:
        """``column`` ordered by code points whatever the database's locale."""
        return column.collate("C" if self.dialect == "postgresql" else "BINARY")


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ValueError(
            f"{url!r} is no database url; give sqlite:///PATH or postgresql://USER@HOST/DATABASE"
        ) from error
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise ValueError("a catalogue in memory can't be shared by threads; give sqlite:///PATH with a file")
        return parsed
    if backend == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    raise ValueError(f"the database {backend!r} is not supported; give sqlite:///PATH or postgresql://...")


def _sqlite_engine(url: URL) -> Engine:
    file = Path(url.database or "").expanduser()
    file.parent.mkdir(parents=True, exist_ok=True)
    url = url.set(database=str(file))
    engine = create_engine(url, pool_size=8, max_overflow=56, connect_args={"timeout": BUSY_TIMEOUT_S})

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions are begun below, not by the driver
        cursor = connection.cursor()
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        immediate = connection.get_execution_options().get("immediate", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    _use_wal(engine)
    return engine


def _use_wal(engine: Engine) -> None:
    """Switch the file to WAL; the switch doesn't wait for other processes that open the file, so it is retried."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    raw = engine.raw_connection()
    try:
        while True:
            try:
                mode = raw.cursor().execute("PRAGMA journal_mode = WAL").fetchone()
            except Exception as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
            else:
                if mode is not None and mode[0] == "wal":
                    return
                if time.monotonic() > deadline:
                    raise OSError(f"SQLite can't use a write-ahead log here (journal mode {mode}); use a local disk")
            time.sleep(0.05)
    finally:
        raw.close()


def _postgresql_engine(url: URL) -> Engine:
    try:
        return create_engine(url, pool_size=8, max_overflow=56, pool_pre_ping=True)
    except ModuleNotFoundError as error:
        raise ValueError("PostgreSQL needs the driver psycopg: pip install 'tastespace[postgresql]'") from error
