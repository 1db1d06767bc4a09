"""The laws: the gateway's log against what was sent. Lost, doubled, orphan and naked must be nothing."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from desk.core.orders import Role
from desk.core.records import VerdictKind
from tests.chaos.books import Books, Decided
from tests.chaos.messages import Message
from tests.chaos.sender import Delivery
from tests.chaos.spans import Span, both, minus, seconds
from tests.chaos.venue import Entry, Place, PlaceRow, Venue
from tests.daemon import SCALE

__all__ = ["GUARD_S", "ORPHAN_S", "UNSEEN_S", "WAKING_S", "Offence", "Proof", "prove"]

WAKING_S = 0.25  # after a fill, until the venue's own legs work
ORPHAN_S = 5.0 * SCALE  # a leg may work while the position is flat, with a daemon that is up and sees
GUARD_S = 12.0 * SCALE  # after the gateway turned a stop down: 2 s, reads, 5 s, and then the exit plan
UNSEEN_S = 20.0 * SCALE  # more, where the gateway's report of that was lost: the watch comes by every 17 s
STILL_S = 120.0


@dataclass
class Offence:
    """One broken law: what, where, when. ``cause`` and ``tag`` lead to the story."""

    law: str
    text: str
    account_id: int
    at: float
    contract_id: str | None = None
    cause: str = ""
    tag: str = ""


@dataclass
class Proof:
    """All figures. The first four must be 0."""

    offences: list[Offence] = field(default_factory=list)
    sent: int = 0
    repeats: int = 0
    tries: int = 0
    answered: int = 0
    decided: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    dialects: Counter[str] = field(default_factory=Counter)  # whose form the messages came in
    expected: int = 0
    found: int = 0
    refused: int = 0
    never_sent: Counter[str] = field(default_factory=Counter)  # by the journalled reason
    resent_tags: int = 0
    held_s: list[float] = field(default_factory=list)
    exits: int = 0
    slowest_exit_s: float = 0.0
    without_stop_s: Counter[str] = field(default_factory=Counter)
    pieces_s: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))  # each stretch, by its share
    down_s: float = 0.0
    exit_s: float = 0.0
    turned_down: int = 0
    placed_again: int = 0
    fills: int = 0
    orphans_in_grace: int = 0

    def count(self, law: str) -> int:
        return sum(one.law == law for one in self.offences)


@dataclass
class Evidence:
    """Everything a law looks at."""

    deliveries: list[Delivery]
    venue: Venue
    books: dict[int, Books]
    out: dict[int, list[Span]]  # by account: no daemon, or one that is not reconciled yet after its start
    contracts: dict[str, str]  # root to contract id


def prove(evidence: Evidence) -> Proof:
    proof = Proof()
    _alerts(evidence, proof)
    _entries(evidence, proof)
    _guards(evidence, proof)
    for place, row in evidence.venue.places.items():
        books, out = evidence.books[place[0]], evidence.out[place[0]]
        _naked(place, row, books, out, proof)
        _orphans(place, row, books, out, proof)
    _exits(evidence, proof)
    proof.down_s = sum(seconds(spans) for spans in evidence.out.values())
    return proof


# -- alerts ------------------------------------------------------------------------------------------------------------


def _alerts(evidence: Evidence, proof: Proof) -> None:
    known = {one.message.id for one in evidence.deliveries}
    for one in evidence.deliveries:
        message = one.message
        proof.sent += 1
        proof.repeats += message.of is not None
        proof.tries += one.tries
        proof.answered += one.answer is not None
        if one.answer is None:
            text = f"message {message.number} ({message.kind}) got no answer in {one.tries} tries: {one.trouble}"
            proof.offences.append(Offence("lost", text, message.account_id, one.began))
        elif message.of is None:
            _decided(message, one, evidence.books[message.account_id], proof)
    proof.held_s = sorted(waited for books in evidence.books.values() for waited in books.held_s)
    for account_id, books in evidence.books.items():
        proof.dialects += books.dialects
        for row in books.alerts.values():
            if row.sender_id not in known:
                proof.offences.append(Offence("doubled", f"nobody sent {row.sender_id}", account_id, row.ts))


def _decided(message: Message, delivery: Delivery, books: Books, proof: Proof) -> None:
    rows = [row for row in books.by_sender_id.get(message.id, ()) if row.is_first]
    name = f"message {message.number} ({message.kind} {message.id})"
    if not rows or rows[0].verdict.kind is VerdictKind.HELD:
        state = "is held for ever" if rows else f"was answered {delivery.answer} and is not in the journal"
        cause = rows[0].cause if rows else ""
        proof.offences.append(Offence("lost", f"{name} {state}", message.account_id, delivery.began, cause=cause))
        return
    proof.decided += 1
    promised = set((delivery.answer or {}).get("orders", ()))
    if missing := promised - books.accepted_entries.keys():
        text = f"{name} was answered with orders {missing} that the journal does not know"
        proof.offences.append(Offence("lost", text, message.account_id, delivery.began, cause=rows[0].cause))
    proof.verdicts[rows[0].verdict.kind.value] += 1
    proof.reasons[rows[0].verdict.reason or "carried out"] += 1
    if len(rows) > 1:
        text = f"{name} was decided {len(rows)} times: {', '.join(row.cause for row in rows)}"
        proof.offences.append(Offence("doubled", text, message.account_id, rows[1].ts, cause=rows[1].cause))


# -- entries -----------------------------------------------------------------------------------------------------------


def _entries(evidence: Evidence, proof: Proof) -> None:
    venue = evidence.venue
    by_bracket = {one.message.bracket: one.message for one in evidence.deliveries if one.message.bracket is not None}
    expected: dict[str, Decided] = {}
    for books in evidence.books.values():
        expected |= books.accepted_entries
    of_message: dict[int, list[Entry]] = {}
    accepted: dict[str, list[Entry]] = {}
    for entry in venue.entries:
        if entry.is_refused:
            continue
        accepted.setdefault(entry.tag, []).append(entry)
        message = by_bracket.get(entry.bracket) if entry.bracket is not None else None
        wrong = _not_as_asked(entry, message, evidence.contracts)
        if wrong or entry.tag not in expected:
            text = f"order {entry.order_id} {entry.tag}: {wrong or 'no verdict promised it'}"
            proof.offences.append(_offence("doubled", text, entry, expected))
        if message is not None:
            of_message.setdefault(message.number, []).append(entry)
    for entries in (*of_message.values(), *accepted.values()):
        if len(entries) > 1:
            text = f"one alert, {len(entries)} orders: {[(entry.order_id, entry.tag) for entry in entries]}"
            proof.offences.append(_offence("doubled", text, entries[1], expected))
    for tag in venue.changed_brackets:
        proof.offences.append(Offence("doubled", f"{tag} was sent with two bodies", 0, 0.0, tag=tag))
    refused = {entry.tag for entry in venue.entries if entry.is_refused} - accepted.keys()
    proof.expected, proof.found = len(expected), len(accepted)
    proof.refused = len(refused & expected.keys())
    proof.resent_tags = sum(count > 1 for count in venue.placed.values())
    for tag in expected.keys() - accepted.keys() - refused:
        account_id = next(number for number, books in evidence.books.items() if tag in books.accepted_entries)
        why = evidence.books[account_id].never_sent(tag)
        if why is not None:
            proof.never_sent[why] += 1
            continue
        row = expected[tag]
        text = f"{row.sender_id} was accepted as {tag}, and the gateway has no such order"
        proof.offences.append(Offence("lost", text, account_id, row.ts, cause=row.cause, tag=tag))


def _guards(evidence: Evidence, proof: Proof) -> None:
    """A protective stop on its own is asked for by no alert: the guard of a position that has none places it, once."""
    accepted: dict[str, list[Entry]] = {}
    for guard in evidence.venue.guards:
        if not guard.is_refused:
            accepted.setdefault(guard.tag, []).append(guard)
    proof.placed_again = len(accepted)
    for tag, guards in accepted.items():
        first = guards[0]
        order, _ = evidence.books[first.place[0]].orders.get(tag, (None, ""))
        asked = order is not None and order.role is Role.STOP and (order.contract_id, order.side.sign, order.qty)
        if asked != (first.place[1], first.side, first.qty):
            text = f"stop {first.order_id} {tag} of {first.qty}: the journal knows {asked or 'no such stop'}"
            proof.offences.append(_offence("doubled", text, first, {}))
        if len(guards) > 1:
            text = f"one stop, {len(guards)} orders: {[(guard.order_id, tag) for guard in guards]}"
            proof.offences.append(_offence("doubled", text, guards[1], {}))


def _not_as_asked(entry: Entry, message: Message | None, contracts: dict[str, str]) -> str:
    if message is None or message.root is None:
        return f"its bracket {entry.bracket} belongs to no alert"
    asked = ((message.account_id, contracts[message.root]), message.side)
    done = (entry.place, entry.side)
    return "" if asked == done else f"message {message.number} asked for {asked}, it is {done}"


def _offence(law: str, text: str, entry: Entry, expected: dict[str, Decided]) -> Offence:
    cause = expected[entry.tag].cause if entry.tag in expected else ""
    return Offence(law, text, entry.place[0], entry.at, entry.place[1], cause, entry.tag)


# -- positions ---------------------------------------------------------------------------------------------------------


def _naked(place: Place, row: PlaceRow, books: Books, out: list[Span], proof: Proof) -> None:
    proof.fills += len(row.filled)
    proof.turned_down += len(row.turned_down)
    proof.exit_s += seconds([*books.exits[place], *books.parts[place]])
    blind = [*out, *books.blind]
    left = row.naked
    shares = {
        "exit plan": [*books.exits[place], *books.parts[place]],
        "guard": [_guarded(at, fate, blind) for at, fate in row.turned_down],
        "waking": [(at, at + WAKING_S) for at in row.filled],
    }
    for name, spans in shares.items():
        share = both(left, spans)
        _add(proof, name, minus(share, out))
        _add(proof, f"{name}, no daemon", both(share, out))
        left = minus(left, spans)
    _add(proof, "naked", left)
    for start, end in left:
        text = f"{end - start:.3f} s without a working stop; all of it: {_shown(row.naked, start)}"
        proof.offences.append(Offence("naked", text, place[0], start, place[1]))


def _guarded(at: float, fate: str, blind: list[Span]) -> Span:
    """How long the guard may take after this stop was turned down. Time in which nobody could know counts on top."""
    limit = GUARD_S + (UNSEEN_S if fate == "lose" else 0.0)
    return at - 0.001, at + limit + seconds(both([(at, at + STILL_S)], blind))


def _shown(spans: list[Span], at: float) -> str:
    return ", ".join(f"{start:.3f}..{end:.3f}" for start, end in spans if start <= at < end)


def _add(proof: Proof, name: str, spans: list[Span]) -> None:
    if spans:
        proof.without_stop_s[name] += seconds(spans)  # type: ignore[assignment]
        proof.pieces_s[name] += [end - start for start, end in spans]


def _orphans(place: Place, row: PlaceRow, books: Books, out: list[Span], proof: Proof) -> None:
    excused = [*out, *books.blind, *books.exits[place], *books.parts[place]]
    for order_id, spans in row.orphans.items():
        lasting = [
            (start, worked) for start, end in spans if (worked := seconds(minus([(start, end)], excused))) > ORPHAN_S
        ]
        proof.orphans_in_grace += bool(spans) and not lasting
        for start, worked in lasting:
            text = f"order {order_id} worked for {worked:.1f} s while the position was flat and a daemon saw it"
            proof.offences.append(Offence("orphan", text, place[0], start, place[1]))
    for trade in row.opened_by_exit:
        text = f"order {trade['orderId']} is no entry, and its trade {trade['id']} opened a position: {trade}"
        proof.offences.append(Offence("orphan", text, place[0], _when(row), place[1]))


def _when(row: PlaceRow) -> float:
    return row.filled[-1] if row.filled else 0.0


def _exits(evidence: Evidence, proof: Proof) -> None:
    """Every accepted exit alert led to flat; how long the slowest took, without the time nobody was there."""
    of_plan = {place: spans for books in evidence.books.values() for place, spans in books.exits.items()}
    for place, spans in of_plan.items():
        out = evidence.out[place[0]]
        for start, end in spans:
            proof.exits += 1
            proof.slowest_exit_s = max(proof.slowest_exit_s, seconds(minus([(start, end)], out)))
            row = evidence.venue.places.get(place)  # None: nothing ever happened there
            if row is not None and not both([(start, end + WAKING_S)], row.flat):
                text = f"an exit plan of {end - start:.1f} s ended and the position was never flat"
                proof.offences.append(Offence("lost", text, place[0], start, place[1]))
