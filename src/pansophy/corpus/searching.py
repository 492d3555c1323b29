"""One search: words by BM25 over text, titles and headings; meaning by vectors where there are any; both fused."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pansophy.corpus.contents import CHUNK_COLUMNS
from pansophy.corpus.ingest import letter_pairs, storable

if TYPE_CHECKING:
    from pansophy.corpus.embed import Embedder

LONGEST_QUERY_WORDS = 200
_SPARE = 8
_DEEPEST = 4000
_FUSION_CONSTANT = 60  # of reciprocal rank fusion, as published (Cormack et al. 2009)


def search(chunks: Any, query: str, limit: int, *, grams: bool, embedder: Embedder | None) -> list[dict[str, Any]]:
    """The rows of the chunks that fit best, each with its `score`: at least the best `limit` and their equals."""
    by_words = _search_words(chunks, query, limit if embedder is None else 2 * limit, grams=grams)
    if embedder is None:
        return by_words
    vector = embedder.embed([query])[0]
    found = chunks.search(vector, vector_column_name="vector").distance_type("cosine")
    by_meaning = found.limit(2 * limit).select([*CHUNK_COLUMNS, "_distance"]).to_list()
    by_words.sort(key=lambda row: (-row["score"], row["key"], row["number"]))
    return _fuse([by_words[: 2 * limit], by_meaning])


def _search_words(chunks: Any, query: str, limit: int, *, grams: bool) -> list[dict[str, Any]]:
    from lancedb.query import BooleanQuery, MatchQuery, Occur

    words = _plain(query)
    if not words:
        return []
    match: Any = MatchQuery  # a pydantic data class whose defaults type checkers don't see
    asked = match(words, "words")
    if grams and (pairs := letter_pairs(words)):
        asked = BooleanQuery([(Occur.SHOULD, asked), (Occur.SHOULD, match(pairs, "grams"))])
    depth = limit + _SPARE
    while True:
        found = chunks.search(asked, query_type="fts").limit(depth).select([*CHUNK_COLUMNS, "_score"]).to_list()
        scores = sorted((float(row["_score"]) for row in found), reverse=True)
        # Which of several equal scores the index returns is chance: unless all are here, the caller can't order them.
        if len(found) < depth or scores[-1] < scores[limit - 1] or depth > _DEEPEST + limit:
            break
        depth *= 4
    for row in found:
        row["score"] = float(row.pop("_score"))
    return list(found)


def _plain(query: str) -> str:
    """The query's distinct words, the first two hundred: more say nothing new, and each costs time."""
    words = list(dict.fromkeys(re.findall(r"\S+", storable(query))))
    return " ".join(words[:LONGEST_QUERY_WORDS])[:10_000]


def _fuse(rankings: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Reciprocal rank fusion: each ranking gives a row 1 / (60 + its place)."""
    rows: dict[tuple[int, int], dict[str, Any]] = {}
    scores: dict[tuple[int, int], float] = {}
    for ranking in rankings:
        for place, row in enumerate(ranking, start=1):
            identity = (row["key"], row["number"])
            rows.setdefault(identity, row)
            scores[identity] = scores.get(identity, 0.0) + 1.0 / (_FUSION_CONSTANT + place)
    best = sorted(scores, key=lambda identity: (-scores[identity], identity))
    return [{**rows[identity], "score": scores[identity]} for identity in best]
