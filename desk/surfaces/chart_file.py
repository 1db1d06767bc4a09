"""Candles as one HTML file that needs nothing else: the drawing library is inside it, so no network is used to look at it.

plotly is optional and imported on first use. Everything here blocks: call it in a thread.
"""

from __future__ import annotations

import html
import os
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any

from desk.core.errors import DeskError
from desk.market.bars import NANOS, Bars
from desk.store.barfiles import BarFileError, disk_trouble

__all__ = ["ChartNotMade", "write_chart"]

_UP, _DOWN, _VOLUME = "#1b8a5a", "#c0392b", "#8a94a6"
_MOST_TICKS = 12


class ChartNotMade(DeskError):
    """plotly is missing. The text says how to get it."""


def write_chart(path: Path, columns: Bars, title: str, zone: tzinfo | None, decimals: int) -> Path:
    """Makes or replaces ``path`` whole and returns it absolute. Times are in ``zone`` (None: this computer's).

    Raises ChartNotMade without plotly, BarFileError when the disk does not take it.
    """
    text = _page(columns, title, zone, decimals)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_text(text, encoding="utf-8")
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)
    except OSError as exc:
        raise BarFileError(f"{path} was not written: {disk_trouble(exc)}") from exc
    return path.absolute()


def _page(columns: Bars, title: str, zone: tzinfo | None, decimals: int) -> str:
    try:
        from plotly import graph_objects
        from plotly.subplots import make_subplots
    except ImportError as exc:
        raise ChartNotMade(
            "an HTML chart needs plotly, which is not installed. Write: pip install plotly "
            "(in this program's environment: .venv/bin/pip install plotly). Without html the chart is drawn here."
        ) from exc
    times = [f"{datetime.fromtimestamp(ts, UTC).astimezone(zone):%Y-%m-%d %H:%M:%S}" for ts in columns.ts.tolist()]
    opened, high, low, close = ((getattr(columns, name) / NANOS).tolist() for name in ("open", "high", "low", "close"))
    figure: Any = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.8, 0.2], vertical_spacing=0.03)
    candles = graph_objects.Candlestick(
        x=times, open=opened, high=high, low=low, close=close, name="price",
        increasing_line_color=_UP, decreasing_line_color=_DOWN,
    )  # fmt: skip
    figure.add_trace(candles, row=1, col=1)
    volume = graph_objects.Bar(x=times, y=columns.volume.tolist(), name="volume", marker_color=_VOLUME)
    figure.add_trace(volume, row=2, col=1)
    figure.update_layout(
        title=html.escape(title), showlegend=False, xaxis_rangeslider_visible=False, hovermode="x unified"
    )
    figure.update_xaxes(type="category", nticks=_MOST_TICKS)  # closed hours take no room
    figure.update_yaxes(tickformat=f",.{decimals}f", side="right", row=1, col=1)
    figure.update_yaxes(side="right", row=2, col=1)
    page = figure.to_html(include_plotlyjs=True, full_html=True, config={"displaylogo": False, "scrollZoom": True})
    return str(page).replace("<head>", f"<head><title>{html.escape(title)}</title>", 1)
