"""The trading desk: TradingView alerts, strategies and commands into protected futures orders, exactly once.

Rooms and the direction of imports: ``docs/architecture.md``; held by ``tests/test_layout.py``.
Start reading at ``trading_bot.py`` (wiring) and ``desk/engine/decide.py`` (where an alert becomes an order).
"""

__all__: list[str] = []
