"""Level 4: every setting, what its text may look like, where it comes from, and which familiar names are refused.

``table`` (the settings of ``.env``), ``kinds`` (one kind per sort of value, with the sentence that names its allowed range),
``sources`` (the environment, which is handed in, over the ``.env`` file), ``refused`` (variables of other bots and their
successors here), ``botfields`` and ``deskfile`` (``desk.toml``), ``bots`` (both together). Must not live here: reading the
environment, which is ``load_env.py``, and anything that acts on a setting. Start with ``table.py``.
"""

from desk.settings.bots import bots_of
from desk.settings.kinds import Kind
from desk.settings.refused import why_refused
from desk.settings.sources import Given, gather
from desk.settings.table import SETTINGS, Setting, Settings

__all__ = ["SETTINGS", "Given", "Kind", "Setting", "Settings", "bots_of", "gather", "why_refused"]
