"""Every operation, with its lane and what its error numbers mean (reference 3.12, 3.13).

``errorCode`` numbers belong to the endpoint. A write's numbers outside ``codes``, and those in ``ambiguous``, do not
say whether it was executed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from desk.gateway.pacing import Lane

__all__ = ["Endpoint"]

_ACCOUNT = {1: "AccountNotFound"}


@dataclass(frozen=True)
class Endpoint:
    """One operation. ``codes``: number → name, the definite refusals; ``ambiguous``: they may have been executed."""

    path: str
    lane: Lane
    is_write: bool = False
    codes: dict[int, str] = field(default_factory=dict)
    ambiguous: frozenset[int] = frozenset()


LOGIN = Endpoint(
    "/api/Auth/loginKey",
    Lane.EXIT,  # without a token nothing goes out, so it may use the reserve
    codes={
        1: "UserNotFound",
        2: "PasswordVerificationFailed",
        3: "InvalidCredentials: wrong user name or API key",
        4: "AppNotFound",
        5: "AppVerificationFailed",
        6: "InvalidDevice",
        7: "AgreementsNotSigned: log into the ProjectX platform and complete the required agreements",
        8: "UnknownError",
        9: "ApiSubscriptionNotFound: no active API subscription on dashboard.projectx.com",
        10: "ApiKeyAuthenticationDisabled",
    },
)
LOGIN_APP = Endpoint(
    "/api/Auth/loginApp",
    Lane.EXIT,
    codes={**LOGIN.codes, 3: "InvalidCredentials: wrong user name or password"},
)
VALIDATE = Endpoint(
    "/api/Auth/validate",
    Lane.EXIT,
    codes={1: "InvalidSession", 2: "SessionNotFound", 3: "ExpiredToken", 4: "UnknownError"},
)
LOGOUT = Endpoint("/api/Auth/logout", Lane.READ, is_write=True, codes={1: "InvalidSession"}, ambiguous=frozenset({2}))
ACCOUNTS = Endpoint("/api/Account/search", Lane.READ)
CONTRACTS = Endpoint("/api/Contract/available", Lane.READ)
SEARCH_CONTRACTS = Endpoint("/api/Contract/search", Lane.READ)
CONTRACT = Endpoint("/api/Contract/searchById", Lane.READ, codes={1: "ContractNotFound"})
BARS = Endpoint(
    "/api/History/retrieveBars",
    Lane.HISTORY,
    codes={1: "ContractNotFound", 2: "UnitInvalid", 3: "UnitNumberInvalid", 4: "LimitInvalid"},
)
PLACE = Endpoint(
    "/api/Order/place",
    Lane.PLACE,
    is_write=True,
    codes={
        1: "AccountNotFound",
        2: "OrderRejected",
        3: "InsufficientFunds",
        4: "AccountViolation",
        5: "OutsideTradingHours",
        6: "OrderPending",
        7: "UnknownError",
        8: "ContractNotFound",
        9: "ContractNotActive",
        10: "AccountRejected",
    },
    ambiguous=frozenset({6, 7}),
)
CANCEL = Endpoint(
    "/api/Order/cancel",
    Lane.EXIT,
    is_write=True,
    codes={
        1: "AccountNotFound",
        2: "OrderNotFound",
        3: "Rejected",
        4: "Pending",
        5: "UnknownError",
        6: "AccountRejected",
    },
    ambiguous=frozenset({4, 5}),
)
MODIFY = Endpoint(
    "/api/Order/modify",
    Lane.URGENT,
    is_write=True,
    codes={**CANCEL.codes, 7: "ContractNotFound"},
    ambiguous=frozenset({4, 5}),
)
CLOSE = Endpoint(
    "/api/Position/closeContract",
    Lane.EXIT,
    is_write=True,
    codes={
        1: "AccountNotFound",
        2: "PositionNotFound",
        3: "ContractNotFound",
        4: "ContractNotActive",
        5: "OrderRejected",
        6: "OrderPending",
        7: "UnknownError",
        8: "AccountRejected",
    },
    ambiguous=frozenset({6, 7}),
)
PARTIAL_CLOSE = Endpoint(
    "/api/Position/partialCloseContract",
    Lane.EXIT,
    is_write=True,
    codes={
        1: "AccountNotFound",
        2: "PositionNotFound",
        3: "ContractNotFound",
        4: "ContractNotActive",
        5: "InvalidCloseSize",
        6: "OrderRejected",
        7: "OrderPending",
        8: "UnknownError",
        9: "AccountRejected",
    },
    ambiguous=frozenset({7, 8}),
)
POSITIONS = Endpoint("/api/Position/searchOpen", Lane.READ, codes=_ACCOUNT)
QUERY_ORDERS = Endpoint("/api/Order/v2/query", Lane.READ, codes=_ACCOUNT)
OPEN_ORDERS = Endpoint("/api/Order/searchOpen", Lane.READ, codes=_ACCOUNT)
SEARCH_ORDERS = Endpoint("/api/Order/search", Lane.READ, codes=_ACCOUNT)
ORDER = Endpoint("/api/Order/searchById", Lane.READ, codes={1: "OrderNotFound"})
TRADES = Endpoint("/api/Trade/search", Lane.READ, codes=_ACCOUNT)
PING = Endpoint("/api/Status/ping", Lane.READ)
