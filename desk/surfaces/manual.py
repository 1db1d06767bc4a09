"""What ``help NAME`` says beyond the row of the table: forms and examples of the commands that trade."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["MANUAL", "USAGE"]

# What to write, by command: the one place for the forms, shown by help and by every refusal.
USAGE: Mapping[str, str] = {
    "trade": "trade SYMBOL buy|sell QTY stop=80 [target=160]",
    "limit": "limit SYMBOL buy|sell QTY PRICE stop=80 [target=160]",
    "stop": "stop SYMBOL buy|sell QTY PRICE stop=80 [target=160]",
    "stop_buy": "stop_buy SYMBOL QTY PRICE stop=80 [target=160]",
    "stop_sell": "stop_sell SYMBOL QTY PRICE stop=80 [target=160]",
    "touch": "touch SYMBOL buy|sell QTY PRICE stop=80 [target=160]",
    "stop_limit": "stop_limit SYMBOL buy|sell QTY STOP LIMIT stop=80 [target=160]",
    "join": "join SYMBOL buy|sell QTY stop=80 [target=160]",
    "trail": "trail SYMBOL buy|sell QTY AMOUNT [stop=80]",
    "bracket": "bracket SYMBOL buy|sell QTY STOP_TICKS PROFIT_TICKS",
    "native_bracket": "native_bracket SYMBOL buy|sell QTY STOP_PRICE PROFIT_PRICE",
    "stop_bracket": "stop_bracket SYMBOL buy|sell QTY ENTRY STOP PROFIT [--breakeven]",
    "oco": "oco SYMBOL QTY BUY_STOP SELL_STOP stop=80 [target=160]",
    "reverse": "reverse POSITION|SYMBOL [QTY] stop=80 [target=160]",
    "close": "close POSITION|SYMBOL [QTY]",
    "modify_stop": "modify_stop POSITION|SYMBOL PRICE|DISTANCE",
    "modify_tp": "modify_tp POSITION|SYMBOL PRICE|DISTANCE",
    "breakeven": "breakeven POSITION|SYMBOL [OFFSET_TICKS]",
    "trail_off": "trail_off POSITION|SYMBOL",
    "cancel": "cancel ORDER_ID",
    "cancel_all": "cancel_all [SYMBOL]",
    "modify": "modify ORDER_ID [QTY] [PRICE]",
}

_OPTIONS = (
    "  stop=80      needed: ticks from the fill; 20p points, 2atr, @20980.25 a price",
    "  target=160   likewise; several: 40,80 (split evenly), 40:1,80:2, 40:1,none:1",
    "  be=40[:4]    40 ticks in favour: the stop goes to the entry (plus 4 ticks)",
    "  trail=40[:20[:4]]  the stop trails 40 ticks behind, from 20 on, in steps of 4",
    "  expire=15m   an order that rests goes then; 90 (seconds), 15m, 2h",
    "  account=NAME another account than this console's; name, id or number",
    "  yes          as the last word: no question",
)
_HELD = (
    "  POSITION is the number that positions shows; account=NAME where the symbol is",
    "  held in another account.",
)

_FROM_AVERAGE = ("  PRICE, or a distance from the average price: 80t ticks, 20p points, 1.5atr.",)

MANUAL: Mapping[str, tuple[str, ...]] = {
    "trade": (
        "  Against a position it only closes, never more than is held (see reverse).",
        *_OPTIONS[:4],
        *_OPTIONS[5:],
        "  trade MNQ buy 2 stop=20p target=40p",
        "  trade MNQ sell 3 stop=80 target=40:2,120:1 be=40",
    ),
    "limit": (*_OPTIONS, "  limit MNQ buy 1 20990.25 stop=80 target=160 expire=15m"),
    "stop": (*_OPTIONS, "  stop MNQ buy 1 21050 stop=80        (to move a position's stop: modify_stop)"),
    "stop_buy": (*_OPTIONS, "  stop_buy MNQ 1 21050 stop=80"),
    "stop_sell": (*_OPTIONS, "  stop_sell MNQ 1 20950 stop=80"),
    "touch": (
        "  Emulated: the desk sends a market order once the market trades there.",
        *_OPTIONS,
        "  touch MNQ buy 1 20950 stop=80",
    ),
    "stop_limit": (
        "  Emulated: once the market trades at STOP, a limit order at LIMIT goes out.",
        *_OPTIONS,
        "  stop_limit MNQ buy 1 21050 21052.5 stop=80",
    ),
    "join": ("  A buy joins the best bid, a sell the best ask.", *_OPTIONS, "  join MNQ buy 1 stop=80"),
    "trail": (
        "  AMOUNT is in points; 40t is ticks, 1.5atr ranges. Against a position its stops",
        "  trail from now on (trail_off ends it); else it is an entry by a trailing stop,",
        "  and needs stop=.",
        *_OPTIONS,
        "  trail MNQ sell 2 10        trail MNQ buy 1 15 stop=80",
    ),
    "bracket": (*_OPTIONS[2:4], *_OPTIONS[5:], "  bracket MNQ buy 1 80 160"),
    "native_bracket": (*_OPTIONS[2:4], *_OPTIONS[5:], "  native_bracket MNQ buy 1 20980 21060"),
    "stop_bracket": (
        "  --breakeven: once the market is as far in favour as the stop was away, the",
        "  stop goes to the entry.",
        *_OPTIONS[2:],
        "  stop_bracket MNQ buy 1 21050 21030 21090 --breakeven",
    ),
    "oco": ("  Whichever fills first, the other one goes.", *_OPTIONS, "  oco MNQ 1 21050 20950 stop=80 target=160"),
    "reverse": (
        "  First to verified flat, then the entry the other way; QTY as held if not said.",
        *_OPTIONS[:4],
        *_OPTIONS[5:],
        "  reverse MNQ stop=80",
    ),
    "close": (*_HELD, "  close 1        close MNQ 1        (a part keeps the stop of the rest)"),
    "modify_stop": (
        *_HELD,
        *_FROM_AVERAGE,
        "  A stop only moves towards less risk.",
        "  modify_stop MNQ 21010.25        modify_stop MNQ 1.5atr",
    ),
    "modify_tp": (*_HELD, *_FROM_AVERAGE, "  modify_tp MNQ 21090        modify_tp MNQ 40p"),
    "breakeven": (*_HELD, "  Refused while the market is not beyond it.", "  breakeven MNQ 2"),
    "trail_off": (*_HELD, "  trail_off MNQ"),
    "cancel": ("  orders shows the ids. A protective stop only goes where another one covers.", "  cancel 4711"),
    "cancel_all": ("  Resting entries, the emulated ones too. Protective stops and targets stay.", "  cancel_all MNQ"),
    "modify": (
        "  One number: with a decimal point it is a price, else a quantity.",
        "  Two: quantity, then price.",
        "  modify 4711 1        modify 4711 21010.0        modify 4711 1 21010.25",
    ),
    "pause": (
        "  pause default     its messages enter nothing until resume or arm,",
        "                    also after a restart",
        "  A message may do the same (action pause); its resume takes only that back.",
    ),
    "resume": (
        "  resume default    after a pause, or after on_gap halt_bot or reduce_only;",
        "                    a disarmed bot stays disarmed",
        "  Look at positions first: the sender may stand elsewhere than its bot.",
    ),
    "disarm": ("  disarm default    no message starts it again, nor does resume: arm does",),
    "arm": ("  arm default yes   yes as the last word: no question",),
    "flatten": (
        "  flatten                everything in every account of the login",
        "  flatten MNQ            one symbol, in every account that holds it",
        "  flatten account=NAME   one account; flatten MNQ account=NAME one symbol of it",
    ),
    "monitor": (
        "  Has every account read at the gateway first; entries wait for that moment.",
        "  It changes nothing by itself.",
    ),
    "explain": (
        "  Reads the text as an alert of BOT (the first one if not said) and asks the",
        "  engine, on a copy: nothing is sent, kept or changed.",
        "  explain                alone: paste the message, then an empty line",
        '  explain {"v":1,"action":"exit","symbol":"MNQ1!"}',
        "  explain alert.json     a file on this computer",
    ),
    "template": (
        "  strategy    for strategy() scripts: follows the strategy's position",
        "  indicator   two messages, for a long and a short signal, stop and target",
        "              from your script's plots SL and TP",
        "  exit        gets out of what is held",
        "  heartbeat   trades nothing and shows that alerts come",
    ),
    "reload": (
        "  All of it or nothing. Secrets are replaced at once; what a bot has open keeps",
        "  its account. Asks only where the change may trade more than before.",
    ),
    "contracts": (
        "  text: part of a symbol, a name or a group; all words must occur.",
        "  contracts gold        contracts index        contracts MNQ",
    ),
    "depth": ("  n levels of each side, 5 if not said, 50 at most.", "  depth MNQ        depth MNQ 10"),
    "watch": (
        "  Last, bid, ask, spread in ticks, change since the session opened, volume, how",
        "  old the quote is; below it the bar in progress (1m if not said).",
        "  Over HTTP and into a pipe: one look.",
        "  watch MNQ        watch MNQ ES MGC 5m",
    ),
    "history": (
        "  SYMBOL      MNQ, or one month such as MNQH6, also when it has expired",
        "  timeframe   30s 1m 3m 5m 1h 4h 1d 1w 1M; a small m is a minute, M a month",
        "  n           that many of the newest bars, up to 1,000,000",
        "  from, to    2026-11-18, 2026-11-18T14:30, 11/18/2026, 20261118, today,",
        "              yesterday, 7d. In your zone, or with Z or -06:00 behind the time.",
        "              One day: that day. One time: from there until now. Two: from the",
        "              one to the other, a day as a whole.",
        "  raw         lines instead of a table (-r, -q, --raw)",
        "  csv         a file in DATA_DIR/exports, closed bars only (-c, --csv, --export)",
        "  parquet     likewise (-p, --parquet)",
        "  stitch=none|adjusted  over the rolls of the product, prices as they were, or",
        "              moved by what the months differed",
        "  A long fetch shows how far it is; Ctrl-C stops it and keeps what came.",
        "  history MNQ 1m 500        history MNQ 5m 7d csv",
        '  history MNQ 1m "2026-11-18 14:30" "2026-11-18 15:00" raw',
    ),
    "chart": (
        "  As many of the newest bars as fit on the screen. A rising candle is a line, a",
        "  falling one is filled. Dates as in help history.",
        "  html        a file in DATA_DIR/exports with everything in it (needs plotly)",
        "  ascii       for a terminal without box characters",
        "  chart MNQ        chart MNQ 1h 60        chart MNQ 5m 2026-11-18 html",
    ),
    "cache": (
        "  memory is asked first, then redis (if set), archive and the gateway.",
        "  cache MNQ        only series with that in their name",
    ),
    "archive": (
        "  archive                              what is stored, by contract and length",
        "  archive import FILE                  CSV or Parquet, up to 10,000,000 bars of 1 s",
        "                                       to 1 h; all of the file or nothing of it",
        "  archive import bars.csv MNQZ6 1m zone=America/Chicago",
        "    zone=        of times that say no offset; UTC if not said",
        "    stamp=close  the file's times are of the end of a bar (open: the beginning)",
        "  archive export MNQ 5m csv            first stored bar to last, holes are fetched",
        "  archive export MNQH6 1m 2026-01-05 2026-01-09 parquet",
        "  Files go to DATA_DIR/exports. Columns and rules: docs/history.md.",
    ),
    "quit": (
        "  Asks where something ends with the daemon: resting entries are cancelled, what",
        "  waits for its price is dropped, break-even and trailing rest. yes asks nothing.",
        "  Ctrl-D is quit; Ctrl-C twice within two seconds stops without a question.",
    ),
    "switch_account": ("  For this console only, shown in its prompt. Bots keep their own account.",),
}
