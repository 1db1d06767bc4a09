"""Level 1: bytes of a webhook -> canonical alert (``desk.core.alert``), or a text that says what is wrong with them.

Pure: ``reading`` (the way in), ``wire`` (strict JSON), ``faults`` (where it broke), ``canonical`` (fields), ``sections`` and
``legs`` (its objects), ``values`` (one field), ``detect`` and ``dialects`` (what other bridges' messages mean), ``terms`` (what
a bot's owner said about them), ``redact`` (no secret survives), ``templates`` (texts),
``written`` (an alert as the object that says it).
Must not live here: authentication, symbol lookup, sizing, or anything that decides. Start with ``reading.read_body``.
"""

from desk.alerts.reading import Reading, dedupe_key, read_body
from desk.alerts.templates import TEMPLATE_KINDS, Template, example_alert, strategy_template, templates
from desk.alerts.terms import NO_TERMS, DialectTerms, DiscordTerms

__all__ = [
    "NO_TERMS",
    "TEMPLATE_KINDS",
    "DialectTerms",
    "DiscordTerms",
    "Reading",
    "Template",
    "dedupe_key",
    "example_alert",
    "read_body",
    "strategy_template",
    "templates",
]
