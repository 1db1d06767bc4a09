"""What a command is, who calls it, and what it answers. The table itself is ``commands.py``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from desk.core.errors import DeskError
from desk.core.ids import AccountId
from desk.engine.state import Place
from desk.runtime.desk import Desk
from desk.surfaces.sheet import Line, Page, page_as_text, page_for_rich

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = [
    "Attend",
    "BadCall",
    "Caller",
    "Command",
    "CommandResult",
    "Handler",
    "Interrupted",
    "Show",
    "Sitting",
    "Urls",
    "whole_number",
]

T = TypeVar("T")


class BadCall(DeskError):
    """A command that cannot be carried out as written. The text names the cause and the next step."""


class Interrupted(DeskError):
    """A person pressed Ctrl-C; the work was cancelled."""


_LONGEST_NUMBER = 19  # digits; Python refuses to read one of thousands


def whole_number(text: str, most: int) -> int | None:
    """A number from 1 to ``most`` as somebody typed it; None when it is anything else, however long."""
    if not text.isdecimal() or len(text) > _LONGEST_NUMBER:
        return None
    number = int(text)
    return number if 1 <= number <= most else None


@dataclass(frozen=True, slots=True)
class Urls:
    """Where the two doors listen, without a final slash, and the file that holds the private one's token."""

    public: str
    private: str
    api_token_file: str | None = None  # None: the token came from a setting


def _say_nothing(text: str) -> None:
    del text


class Attend(Protocol):
    async def __call__(self, work: Coroutine[Any, Any, T], line: Callable[[], str]) -> T:
        """The result of work that takes a while; ``line`` tells how far it is. Raises Interrupted."""
        ...


class Show(Protocol):
    async def __call__(self, draw: Callable[[], Page]) -> None:
        """Shows a page that is drawn again and again in its place, until a key is pressed."""
        ...


async def _only_work(work: Coroutine[Any, Any, T], line: Callable[[], str]) -> T:
    del line
    return await work


@dataclass(slots=True)
class Sitting:
    """What one person at one console chose and saw last. Nobody else is concerned: bots have their own account."""

    account_id: AccountId | None = None  # switch_account; None: the default bot's
    listing: tuple[Place, ...] | None = None  # the positions by the numbers that were shown


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. ``confirm`` None: nothing is asked (over HTTP), the Bearer token is the permission."""

    by: str  # console | api
    urls: Urls
    zone: tzinfo | None = None  # None: this computer's
    sitting: Sitting | None = None  # None: every request stands alone
    confirm: Callable[[str], Awaitable[bool]] | None = None
    say: Callable[[str], None] = _say_nothing  # progress of something that takes a while
    paste: Callable[[str], Awaitable[str]] | None = (
        None  # lines after what was typed, until an empty one; None: no keyboard
    )
    attend: Attend = _only_work
    show: Show | None = None  # None: no terminal
    size: Callable[[], tuple[int, int]] = lambda: (80, 24)  # columns and rows of the screen
    is_ascii: bool = False  # the screen can show nothing else


@dataclass(frozen=True, slots=True)
class CommandResult:
    """``data`` is what a program gets (``view.encode`` writes it), ``page`` what a person sees."""

    ok: bool
    data: object
    page: Page

    @classmethod
    def failed(cls, text: str, data: object = None) -> CommandResult:
        return cls(False, data, (Line(text, "red"),))

    @property
    def text(self) -> str:
        return page_as_text(self.page)

    def renderable(self) -> RenderableType:
        """The same for rich, with colours."""
        return page_for_rich(self.page)


Handler = Callable[[Desk, Sequence[str], Caller], Awaitable[CommandResult]]


@dataclass(frozen=True, slots=True)
class Command:
    """One row of the table. ``words``: what each argument is, for completion (symbol, side, order, account, ...).

    ``more``: forms and examples, for ``help NAME``. ``options``: names of ``name=value`` words, in any place. ``takes_text``:
    what follows the name is one argument, with its blanks and lines as they are.
    """

    name: str
    arguments: str
    help: str
    handler: Handler
    words: tuple[str, ...] = ()
    does_change_exposure: bool = False
    most: int = 0  # arguments
    options: tuple[str, ...] = ()
    more: tuple[str, ...] = ()
    takes_text: bool = False

    @property
    def usage(self) -> str:
        return f"{self.name} {self.arguments}".rstrip()
