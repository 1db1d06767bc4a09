"""Level 4: what a setting's text may look like, where it comes from, and which familiar names are refused.

``kinds`` (one kind per sort of value, with the sentence that names its allowed range), ``sources`` (the environment,
which is handed in, over the ``.env`` file), ``refused`` (variables of other bots and their successors here).
Must not live here: the table of settings, which is ``load_env.py``, and anything that knows what a setting is for.
"""

from desk.settings.kinds import Kind
from desk.settings.refused import why_refused
from desk.settings.sources import Given, gather

__all__ = ["Given", "Kind", "gather", "why_refused"]
