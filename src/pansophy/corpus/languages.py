"""Which language a text is in, for whoever looks through a corpus. Search doesn't depend on it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

SAMPLE = 4000
"""Characters that are looked at."""
LEAST_PROBABILITY = 0.8
"""Below this nothing is said: tables, code and a few words look like any language."""


def language_of(text: str) -> str:
    """The ISO 639-1 code of the language that `text` is probably in, or "" if none is probable enough."""
    try:
        identifier = _identifier()
    except OSError:  # it unpacks itself into a temporary file; a full disk there is no reason to leave a document out
        return ""
    language, probability = identifier.classify(text[:SAMPLE])
    return str(language) if probability >= LEAST_PROBABILITY else ""


@cache
def _identifier() -> LanguageIdentifier:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
