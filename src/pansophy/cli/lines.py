"""On which line of its document a piece of evidence stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pansophy.types import Evidence, Span

if TYPE_CHECKING:
    from pansophy.corpus import Corpus


class Lines:
    """Counts lines in the corpus that is being read. Give it to whoever shows evidence."""

    def __init__(self) -> None:
        self.corpus: Corpus | None = None

    def opened(self, corpus: Corpus) -> None:
        """Take note of the corpus; called when it is open."""
        self.corpus = corpus

    def __call__(self, evidence: Evidence) -> int | None:
        """The line, from 1; None when the document has changed since or no corpus was opened."""
        from pansophy.errors import CorpusError

        if self.corpus is None:
            return None
        try:
            text = self.corpus.text(Span(evidence.document, 0, evidence.end))
        except CorpusError:  # the document is no longer there
            return None
        if text[evidence.start :] != evidence.quote:
            return None
        return text.count("\n", 0, evidence.start) + 1
