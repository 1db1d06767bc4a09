"""While the user hub is down, or does not come up after a start: the gateway is read from time to time, for the sake of what
is held. What such a read shows is applied as ever, so that a stop that is gone is missed; nothing is entered on it.

After a start, or where answers may be lost, the first of these reads takes up what gets out or protects. An exit that was
under way has cancelled the stop already, and whoever asks for another one only joins it: it must not wait for the hub.
"""

from __future__ import annotations

from desk.core.events import ReadFailed, SnapshotRead
from desk.core.ids import AccountId
from desk.engine.draft import Draft
from desk.engine.effects import StartTimer
from desk.engine.resume import resume_ways_out
from desk.engine.state import State, contracts_in_play

__all__ = ["begin", "is_timer", "on_read_failed", "on_timer", "saw"]

BLIND = "blind"  # asks a read
LOST = "lost"  # asks the one with which plans are taken up
FIRST_S = 3.0  # a hub that works is up by then
AGAIN_S = 15.0
PER_ACCOUNT_S = 6.0  # as much as the watch of a reconciled account asks for


def begin(draft: Draft) -> None:
    """The hub is down, or nobody knows. Ends by itself when it is up, or when the next such stretch begins."""
    for account_id, known in sorted(draft.state.accounts.items()):
        _look(draft, account_id, LOST if known.has_lost_track else BLIND, FIRST_S)


def is_timer(key: str) -> bool:
    return key.startswith((f"{BLIND}:", f"{LOST}:"))


def on_timer(draft: Draft, key: str) -> None:
    asker, number, since = key.split(":", 2)
    account_id = AccountId(int(number))
    if draft.state.user_hub_is_up or since != _since(draft.state):
        return
    if asker == LOST or contracts_in_play(draft.state, account_id):
        draft.read_fully(account_id, asker)
    else:
        _look(draft, account_id, asker, AGAIN_S)


def saw(draft: Draft, snapshot: SnapshotRead) -> None:
    """A read that was asked for here; its differences are applied."""
    if draft.state.user_hub_is_up or not {BLIND, LOST} & set(snapshot.asked_by):
        return  # the hub's return asked for a read of its own
    if LOST in snapshot.asked_by:
        resume_ways_out(draft, snapshot.account_id)
    _look(draft, snapshot.account_id, BLIND, max(AGAIN_S, PER_ACCOUNT_S * len(draft.state.accounts)))


def on_read_failed(draft: Draft, event: ReadFailed, again_s: float) -> None:
    for asker in event.asked_by:
        if asker in {BLIND, LOST} and not draft.state.user_hub_is_up:
            _look(draft, event.account_id, asker, again_s)


def _look(draft: Draft, account_id: AccountId, asker: str, delay_s: float) -> None:
    draft.effects.append(StartTimer(f"{asker}:{account_id}:{_since(draft.state)}", delay_s))


def _since(state: State) -> str:
    """Names the stretch without the hub: timers of an earlier one mean nothing."""
    times = [at for at in (state.contact_changed_at, state.started_at) if at is not None]
    return max(times).isoformat() if times else ""
