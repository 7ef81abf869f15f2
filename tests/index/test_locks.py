from __future__ import annotations

import threading

import pytest

from index.locks import ReadWriteLock


def test_readers_share() -> None:
    lock, both = ReadWriteLock(), threading.Barrier(2, timeout=10)

    def read() -> None:
        with lock.read():
            both.wait()

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not both.broken


def test_a_writer_is_alone() -> None:
    lock, inside, seen = ReadWriteLock(), list[str](), list[int]()

    def work(name: str) -> None:
        for _ in range(200):
            with lock.write():
                inside.append(name)
                seen.append(len(inside))
                inside.remove(name)
            with lock.read():
                seen.append(1 + len(inside))

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(seen) == {1}


def test_an_error_inside_releases_the_lock() -> None:
    lock = ReadWriteLock()
    for enter in (lock.read, lock.write):
        with pytest.raises(RuntimeError), enter():
            raise RuntimeError
    with lock.write():
        pass
