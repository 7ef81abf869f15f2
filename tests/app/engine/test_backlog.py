from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.engine.backlog import Backlog, Ticket
from app.engine.types import Done, Operation, Priority
from tests.app.engine.fakes import vector

TEXT, PIXELS = Operation.ENCODE_TEXT, Operation.ENCODE_PIXELS
INTERACTIVE, BULK = Priority.INTERACTIVE, Priority.BULK


def ticket(count: int, name: str = "t", deadline: float | None = None) -> Ticket:
    return Ticket([f"{name}{number}" for number in range(count)], 0.0, deadline)


def take(backlog: Backlog, limit: int = 4, now: float = 0.0) -> list[object]:
    batch, _ = backlog.take(limit, now)
    return [] if batch is None else list(batch.payloads)


def test_callers_of_one_operation_share_a_batch_and_take_turns_by_items() -> None:
    backlog = Backlog(100, 4, 8)
    backlog.put(TEXT, ticket(10, "big"), INTERACTIVE)
    backlog.put(TEXT, ticket(1, "small"), INTERACTIVE)
    assert take(backlog) == ["big0", "small0", "big1", "big2"]
    backlog.put(TEXT, ticket(2, "late"), INTERACTIVE)
    assert take(backlog) == ["big3", "late0", "big4", "late1"]
    assert take(backlog) == ["big5", "big6", "big7", "big8"]
    assert take(backlog) == ["big9"]
    assert take(backlog) == []
    assert len(backlog) == 0


def test_operations_take_turns_by_batches() -> None:
    backlog = Backlog(100, 4, 8)
    backlog.put(TEXT, ticket(8, "t"), INTERACTIVE)
    backlog.put(PIXELS, ticket(2, "p"), INTERACTIVE)
    operations = []
    while (batch := backlog.take(4, 0.0)[0]) is not None:
        operations.append(batch.operation)
    assert operations == [TEXT, PIXELS, TEXT]


def test_interactive_work_goes_first_but_bulk_work_never_starves() -> None:
    backlog = Backlog(1000, 1, 3)
    backlog.put(TEXT, ticket(50, "bulk"), BULK)
    backlog.put(TEXT, ticket(50, "now"), INTERACTIVE)
    batches = [backlog.take(1, 0.0)[0] for _ in range(12)]
    kinds = ["B" if batch is not None and batch.priority is BULK else "i" for batch in batches]
    assert "".join(kinds) == "iiiBiiiBiiiB"


def test_a_bulk_submission_larger_than_the_queue_waits_outside() -> None:
    backlog = Backlog(max_items=6, piece=4, bulk_every=8)
    first, second = ticket(20, "a"), ticket(3, "b")
    backlog.put(TEXT, first, BULK)
    assert len(backlog) == 6
    backlog.put(TEXT, second, BULK)
    assert len(backlog) == 6, "what has no room is not in the queue"
    assert backlog.has_room(6), "bulk work takes no room of interactive work"
    seen: list[object] = []
    while batch := take(backlog):
        assert len(backlog) <= 6
        seen += batch
    assert sorted(map(str, seen)) == sorted([f"a{n}" for n in range(20)] + [f"b{n}" for n in range(3)])
    assert seen.index("b2") < seen.index("a12"), "the outsiders take turns"


def test_the_bound_counts_items_and_frees_them_as_they_go() -> None:
    backlog = Backlog(4, 4, 8)
    backlog.put(TEXT, ticket(3), INTERACTIVE)
    assert backlog.has_room(1)
    assert not backlog.has_room(2)
    take(backlog, limit=2)
    assert backlog.has_room(3)


def test_discarding_frees_the_room_and_admits_who_waits() -> None:
    backlog = Backlog(4, 4, 8)
    gone, stays = ticket(9, "gone"), ticket(2, "stays")
    backlog.put(TEXT, gone, BULK)
    backlog.put(TEXT, stays, BULK)
    backlog.discard(gone)
    assert take(backlog) == ["stays0", "stays1"]
    assert take(backlog) == []


def test_cancelled_and_expired_work_never_reaches_a_batch() -> None:
    backlog = Backlog(100, 4, 8)
    cancelled, late, bulk_late = ticket(3, "c"), ticket(3, "late", deadline=5.0), ticket(200, "x", deadline=5.0)
    for each in (cancelled, late, ticket(1, "ok", deadline=6.0)):
        backlog.put(TEXT, each, INTERACTIVE)
    backlog.put(TEXT, bulk_late, BULK)
    cancelled.future.cancel()
    batch, expired = backlog.take(4, 5.0)
    assert batch is not None
    assert batch.payloads == ["ok0"]
    assert expired == [late]
    assert backlog.take(4, 5.0) == (None, [bulk_late])
    assert len(backlog) == 0
    assert backlog.drain() == []


def test_a_ticket_resolves_once_with_its_outcomes_in_order() -> None:
    one = ticket(3)
    for index in (2, 0, 1):
        assert not one.future.done()
        one.record(index, Done(vector(f"t{index}")))
    result = one.future.result(timeout=0)
    assert [each.value.tolist() for each in result if isinstance(each, Done)] == [
        vector(f"t{index}").tolist() for index in range(3)
    ]
    one.fail(RuntimeError("too late"))
    assert one.future.exception(timeout=0) is None


submissions = st.lists(
    st.tuples(st.sampled_from([TEXT, PIXELS]), st.sampled_from([INTERACTIVE, BULK]), st.integers(1, 30)), max_size=12
)


@given(submissions, st.integers(1, 9), st.integers(1, 9), st.sets(st.integers(0, 11)))
def test_every_item_is_taken_exactly_once_unless_dropped(
    plan: list[tuple[Operation, Priority, int]], limit: int, piece: int, dropped: set[int]
) -> None:
    backlog = Backlog(360, piece, 2)
    tickets = [ticket(count, f"{number}-") for number, (_, _, count) in enumerate(plan)]
    for each, (operation, priority, _) in zip(tickets, plan, strict=True):
        backlog.put(operation, each, priority)
    for number in dropped & set(range(len(tickets))):
        backlog.discard(tickets[number])
    taken: list[tuple[Operation, object]] = []
    while (batch := backlog.take(limit, 0.0)[0]) is not None:
        assert 1 <= len(batch.slots) <= limit
        taken += [(batch.operation, payload) for payload in batch.payloads]
    kept = [number for number in range(len(tickets)) if number not in dropped]
    expected = [(plan[number][0], item) for number in kept for item in tickets[number].items]
    assert sorted(map(str, taken)) == sorted(map(str, expected))
    assert len(backlog) == 0
