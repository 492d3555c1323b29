"""Documents in, chunks and spans out: stored, searched, cut into pages.

corpus = Corpus.create("papers"); corpus.add(["~/papers"])
corpus.search("who paid for the lighthouse?", limit=5)
"""

from pansophy.corpus.adding import AddProgress, AddReport, FailedSource
from pansophy.corpus.corpus import Corpus, CorpusInfo, DocumentInfo, ScoredChunk, list_corpora
from pansophy.corpus.embed import Embedder
from pansophy.corpus.isolated import IsolatedReader
from pansophy.corpus.pages import Page, pages_by_rank, pages_in_order
from pansophy.corpus.shelf import Shelf

__all__ = [
    "AddProgress",
    "AddReport",
    "Corpus",
    "CorpusInfo",
    "DocumentInfo",
    "Embedder",
    "FailedSource",
    "IsolatedReader",
    "Page",
    "ScoredChunk",
    "Shelf",
    "list_corpora",
    "pages_by_rank",
    "pages_in_order",
]
