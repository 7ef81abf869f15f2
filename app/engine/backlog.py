"""What waits for a lane, and whose turn it is. Plain data: the lane holds its lock around every call."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass
from typing import Any, TypeAlias

from app.engine.types import Operation, Outcome, Payload, Priority


class Ticket:
    """One submission: its items, the outcomes so far, and the future that gets all of them at once.

    ``deadline`` and ``enqueued_at`` are in seconds of the lane's clock. ``admitted`` items count as queued, the
    first ``taken`` of them have gone to a batch.
    """

    __slots__ = ("_outcomes", "_remaining", "admitted", "deadline", "enqueued_at", "future", "items", "taken")

    def __init__(self, items: Sequence[Payload], enqueued_at: float, deadline: float | None) -> None:
        self.items = tuple(items)
        self.enqueued_at = enqueued_at
        self.deadline = deadline
        self.future: Future[list[Outcome[Any]]] = Future()
        self.admitted = 0
        self.taken = 0
        self._outcomes: list[Outcome[Any] | None] = [None] * len(self.items)
        self._remaining = len(self.items)

    def record(self, index: int, outcome: Outcome[Any]) -> None:
        """Keep one outcome; the last one resolves the future."""
        self._outcomes[index] = outcome
        self._remaining -= 1
        if self._remaining == 0 and not self.future.done():
            try:
                self.future.set_result([each for each in self._outcomes if each is not None])
            except InvalidStateError:  # cancelled in between: nobody waits any more
                return

    def fail(self, error: Exception) -> None:
        """Fail the submission as a whole, unless it is settled already."""
        if not self.future.done():
            try:
                self.future.set_exception(error)
            except InvalidStateError:
                return


Slot: TypeAlias = tuple[Ticket, int]


@dataclass(frozen=True, slots=True)
class Batch:
    """Items of one operation and one priority, from one or more tickets."""

    operation: Operation
    priority: Priority
    slots: tuple[Slot, ...]

    @property
    def payloads(self) -> list[Payload]:
        return [ticket.items[index] for ticket, index in self.slots]

    @property
    def tickets(self) -> list[Ticket]:
        return list(dict.fromkeys(ticket for ticket, _ in self.slots))


class Backlog:
    """Bounded queues, one for each priority, shared out fairly.

    * The bound counts items and holds for each priority on its own, so that an import never makes a search wait
      for room. What of a bulk submission finds no room waits outside and comes in by pieces of ``piece`` items,
      the outsiders in turn.
    * Interactive work goes first at every batch; but after ``bulk_every`` interactive batches in a row the next one
      is bulk if any waits, so that bulk work gets at least one batch in ``bulk_every + 1``.
    * Within a priority the operations take turns by batches, and within an operation the callers take turns by
      items: one photo behind a thousand goes into the next batch.
    """

    def __init__(self, max_items: int, piece: int, bulk_every: int) -> None:
        self._max_items = max_items
        self._piece = piece
        self._bulk_every = bulk_every
        self._interactive_in_a_row = 0
        self._queues: dict[Priority, OrderedDict[Operation, deque[Ticket]]] = {each: OrderedDict() for each in Priority}
        self._counts = dict.fromkeys(Priority, 0)
        self._outside: deque[tuple[Operation, Ticket]] = deque()

    def __len__(self) -> int:
        """Items admitted and not yet taken."""
        return sum(self._counts.values())

    def has_room(self, count: int) -> bool:
        """Whether ``count`` more interactive items fit."""
        return self._counts[Priority.INTERACTIVE] + count <= self._max_items

    def put(self, operation: Operation, ticket: Ticket, priority: Priority) -> None:
        """Queue a ticket. An interactive one must fit (see :meth:`has_room`)."""
        if priority is Priority.BULK:
            self._outside.append((operation, ticket))
            self._admit()
        else:
            ticket.admitted = len(ticket.items)
            self._counts[priority] += ticket.admitted
            self._queues[priority].setdefault(operation, deque()).append(ticket)

    def take(self, limit: int, now: float) -> tuple[Batch | None, list[Ticket]]:
        """The next batch of at most ``limit`` items, and the tickets found expired, which are dropped."""
        expired: list[Ticket] = []
        while (priority := self._next_priority()) is not None:
            operation, queue = next(iter(self._queues[priority].items()))
            slots = self._fill(queue, priority, limit, now, expired)
            if queue:
                self._queues[priority].move_to_end(operation)
            else:
                del self._queues[priority][operation]
            self._admit()
            if slots:
                self._interactive_in_a_row = self._interactive_in_a_row + 1 if priority is Priority.INTERACTIVE else 0
                return Batch(operation, priority, tuple(slots)), expired
        return None, expired

    def discard(self, ticket: Ticket) -> None:
        """Drop what of a ticket has not been taken; its room is free at once."""
        for priority, queues in self._queues.items():
            for operation, queue in list(queues.items()):
                if ticket in queue:
                    queue.remove(ticket)
                    self._counts[priority] -= ticket.admitted - ticket.taken
                    if not queue:
                        del queues[operation]
        self._outside = deque(each for each in self._outside if each[1] is not ticket)
        self._admit()

    def drain(self) -> list[Ticket]:
        """Empty everything; the tickets that were waiting."""
        waiting = [ticket for queues in self._queues.values() for queue in queues.values() for ticket in queue]
        waiting += [ticket for _, ticket in self._outside]
        for queues in self._queues.values():
            queues.clear()
        self._counts = dict.fromkeys(Priority, 0)
        self._outside.clear()
        return list(dict.fromkeys(waiting))

    def _next_priority(self) -> Priority | None:
        interactive, bulk = (bool(self._queues[each]) for each in (Priority.INTERACTIVE, Priority.BULK))
        if bulk and (not interactive or self._interactive_in_a_row >= self._bulk_every):
            return Priority.BULK
        return Priority.INTERACTIVE if interactive else None

    def _fill(
        self, queue: deque[Ticket], priority: Priority, limit: int, now: float, expired: list[Ticket]
    ) -> list[Slot]:
        slots: list[Slot] = []
        while queue and len(slots) < limit:
            ticket = queue.popleft()
            if ticket.future.done() or (ticket.deadline is not None and now >= ticket.deadline):
                self._counts[priority] -= ticket.admitted - ticket.taken
                self._outside = deque(each for each in self._outside if each[1] is not ticket)
                if not ticket.future.done():
                    expired.append(ticket)
                continue
            slots.append((ticket, ticket.taken))
            ticket.taken += 1
            self._counts[priority] -= 1
            if ticket.taken < ticket.admitted:
                queue.append(ticket)
        return slots

    def _admit(self) -> None:
        while self._outside and (room := self._max_items - self._counts[Priority.BULK]) > 0:
            operation, ticket = self._outside.popleft()
            count = min(room, self._piece, len(ticket.items) - ticket.admitted)
            queue = self._queues[Priority.BULK].setdefault(operation, deque())
            if ticket.taken == ticket.admitted:  # nothing of it is in the queue at the moment
                queue.append(ticket)
            ticket.admitted += count
            self._counts[Priority.BULK] += count
            if ticket.admitted < len(ticket.items):
                self._outside.append((operation, ticket))
