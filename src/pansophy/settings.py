"""Where things are kept, and the values that the environment sets.

Everything that pansophy writes lies under `PANSOPHY_HOME` (default: the platform's user data folder) unless the user
names another place.
"""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """The folder for models, corpora and runs. Not created here: whoever writes creates it."""
    if chosen := os.environ.get("PANSOPHY_HOME"):
        return Path(chosen).expanduser()
    import platformdirs

    return Path(platformdirs.user_data_dir("pansophy", appauthor=False))
