"""Numbers and texts of the wire, copied from the documentation (reference 3.13, 3.14 and 4)."""

from enum import IntEnum


class Side(IntEnum):
    """OrderSide."""

    BUY = 0
    SELL = 1

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> "Side":
        """The side that undoes this one."""
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(IntEnum):
    """OrderType."""

    UNKNOWN = 0
    LIMIT = 1
    MARKET = 2
    STOP_LIMIT = 3
    STOP = 4
    TRAILING_STOP = 5
    JOIN_BID = 6
    JOIN_ASK = 7


class Status(IntEnum):
    """OrderStatus; 7 and 8 stand in the OpenAPI file and on the wire only."""

    NONE = 0
    OPEN = 1
    FILLED = 2
    CANCELLED = 3
    EXPIRED = 4
    REJECTED = 5
    PENDING = 6
    PENDING_CANCELLATION = 7
    SUSPENDED = 8

    @property
    def is_terminal(self) -> bool:
        """True when nothing can happen to the order any more (reference 3.7)."""
        return Status.FILLED <= self <= Status.REJECTED


class Place(IntEnum):
    """PlaceOrderErrorCode."""

    SUCCESS = 0
    ACCOUNT_NOT_FOUND = 1
    REJECTED = 2
    INSUFFICIENT_FUNDS = 3
    ACCOUNT_VIOLATION = 4
    OUTSIDE_TRADING_HOURS = 5
    ORDER_PENDING = 6
    UNKNOWN_ERROR = 7
    CONTRACT_NOT_FOUND = 8
    CONTRACT_NOT_ACTIVE = 9
    ACCOUNT_REJECTED = 10


class Amend(IntEnum):
    """CancelOrderErrorCode and ModifyOrderErrorCode, which agree as far as both go; 7 is modify's alone."""

    SUCCESS = 0
    ACCOUNT_NOT_FOUND = 1
    ORDER_NOT_FOUND = 2
    REJECTED = 3
    PENDING = 4
    UNKNOWN_ERROR = 5
    ACCOUNT_REJECTED = 6
    CONTRACT_NOT_FOUND = 7


class Close(IntEnum):
    """ClosePositionErrorCode."""

    SUCCESS = 0
    ACCOUNT_NOT_FOUND = 1
    POSITION_NOT_FOUND = 2
    CONTRACT_NOT_FOUND = 3
    CONTRACT_NOT_ACTIVE = 4
    ORDER_REJECTED = 5
    ORDER_PENDING = 6
    UNKNOWN_ERROR = 7
    ACCOUNT_REJECTED = 8


class PartialClose(IntEnum):
    """PartialClosePositionErrorCode: shifted from 5 on."""

    SUCCESS = 0
    ACCOUNT_NOT_FOUND = 1
    POSITION_NOT_FOUND = 2
    CONTRACT_NOT_FOUND = 3
    CONTRACT_NOT_ACTIVE = 4
    INVALID_CLOSE_SIZE = 5
    ORDER_REJECTED = 6
    ORDER_PENDING = 7
    UNKNOWN_ERROR = 8
    ACCOUNT_REJECTED = 9


class Login(IntEnum):
    """LoginErrorCode, as far as the simulator answers with it (reference 2.2)."""

    SUCCESS = 0
    USER_NOT_FOUND = 1
    PASSWORD_VERIFICATION_FAILED = 2
    INVALID_CREDENTIALS = 3
    APP_NOT_FOUND = 4
    APP_VERIFICATION_FAILED = 5
    INVALID_DEVICE = 6


POSITION_BRACKETS = "Brackets cannot be used with Position Brackets. You must enable Auto OCO Brackets."
TAG_IN_USE = "Specified custom tag is already in use"
ABOVE_BEST_BID = "Order price is outside allowed range. Please set price above best bid."
BELOW_BEST_ASK = "Order price is outside allowed range. Please set price below best ask."
NOT_TRADING = "Trading is currently unavailable. The instrument is not in an active trading status."
MAX_POSITION = "Maximum position size exceeded"
FOLLOWER = "Follower accounts cannot cancel orders"
LIVE = "Live accounts not supported"
NO_MARGIN = "Not enough margin."
NO_LAST_PRICE = "Cannot trail without a last price"
RESIZE_LEG = "Order size cannot be changed for bracket orders."
TRAIL_NOT_SET = "Trail Distance not set."
TRAIL_TOO_FAR = "Trail Distance exceeds maximum (1000)"
MAX_TRAIL_TICKS = 1000
MIN_BRACKET_TICKS = 4
