"""A bot as its owner wrote it down, before the gateway was asked for its account."""

from __future__ import annotations

from dataclasses import dataclass

from desk.bots.config import BotConfig
from desk.core.ids import AccountId
from desk.core.secret import Secret

__all__ = ["DEFAULT_BOT", "BotSetup"]

DEFAULT_BOT = "default"


@dataclass(frozen=True, slots=True)
class BotSetup:
    """config: its rules; their account_id is None until the gateway listed the accounts.

    account: an account's id, or its name as the gateway lists it; None (paper only): the first one that may trade. token: its
    secret; None: made at the first start and kept in DATA_DIR. where: in which file it stands, for messages to a person.
    """

    config: BotConfig
    account: AccountId | str | None = None
    token: Secret | None = None
    where: str = ".env"

    @property
    def name(self) -> str:
        return self.config.name
