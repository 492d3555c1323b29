"""Pages partition what they are made of, the same for every question."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pansophy.corpus import Corpus, pages_by_rank, pages_in_order
from pansophy.corpus.pages import pack
from pansophy.errors import UsageError
from pansophy.tokens import estimate_tokens

TEXTS = {
    "long": "".join(f"Entry {n}: the lamp of station{n} burned oil from Bergen.\n\n" for n in range(120)),
    "short-1": "The Petrel sank.",
    "short-2": "Nobody was hurt.",
    "middle": "".join(f"Boat {n} was mended in spring.\n\n" for n in range(40)),
}


@pytest.fixture(scope="module")
def corpus():
    return Corpus.from_texts(TEXTS, chunk_tokens=40)


BUDGETS = st.integers(min_value=1, max_value=600)
QUESTIONS = st.sampled_from(["station7 lamp", "Petrel", "boat spring", "xylophone", "", "oil oil oil Bergen 17"])
CASES = settings(max_examples=40, deadline=None)


@given(BUDGETS)
@CASES
def test_pages_in_order_hold_all_of_the_corpus_in_order(corpus, budget):
    pages = list(pages_in_order(corpus, budget))
    assert [page.number for page in pages] == list(range(len(pages)))
    assert "".join(page.text for page in pages) == "".join(TEXTS.values())
    assert all(page.score is None for page in pages)


@given(BUDGETS)
@CASES
def test_no_page_is_larger_than_asked_unless_it_is_one_chunk(corpus, budget):
    chunks = {(chunk.document, chunk.start, chunk.end) for chunk in corpus.chunks()}
    for page in [*pages_in_order(corpus, budget), *pages_by_rank(corpus, "lamp", budget, 1000)]:
        single = len(page.pieces) == 1
        one_chunk = single and (page.pieces[0].document, page.pieces[0].start, page.pieces[0].end) in chunks
        assert one_chunk or estimate_tokens(page.text) <= budget


@given(BUDGETS, QUESTIONS)
@CASES
def test_pages_by_rank_are_a_partition_that_never_crosses_a_document(corpus, budget, question):
    pages = pages_by_rank(corpus, question, budget, 10_000)
    assert all(len(page.pieces) == 1 for page in pages)
    in_order = sorted(pages, key=lambda page: page.number)
    assert "".join(page.text for page in in_order) == "".join(TEXTS.values())
    for page in pages:
        [piece] = page.pieces
        assert piece.text == TEXTS[piece.document][piece.start : piece.end]
        assert piece.index == page.number


@given(BUDGETS, QUESTIONS, QUESTIONS)
@CASES
def test_the_pages_of_two_questions_are_byte_identical(corpus, budget, first, second):
    one = {page.number: page.pieces for page in pages_by_rank(corpus, first, budget, 10_000)}
    two = {page.number: page.pieces for page in pages_by_rank(corpus, second, budget, 10_000)}
    assert one == two


@given(BUDGETS, QUESTIONS, st.integers(min_value=1, max_value=50))
@CASES
def test_fewer_pages_are_the_beginning_of_more(corpus, budget, question, limit):
    every = pages_by_rank(corpus, question, budget, 10_000)
    assert pages_by_rank(corpus, question, budget, limit) == every[:limit]


@given(BUDGETS, QUESTIONS)
@CASES
def test_found_pages_come_best_first_and_the_others_in_reading_order(corpus, budget, question):
    pages = pages_by_rank(corpus, question, budget, 10_000)
    found = [page for page in pages if page.score is not None]
    others = pages[len(found) :]
    assert all(page.score is None for page in others)
    assert all((-a.score, a.number) < (-b.score, b.number) for a, b in pairwise(found))
    assert all(a.number < b.number for a, b in pairwise(others))


def test_a_page_scores_as_its_best_chunk(corpus):
    best = corpus.search("station7 lamp", 1)[0]
    page = pages_by_rank(corpus, "station7 lamp", 300, 1)[0]
    assert page.score == best.score
    assert best.chunk.text in page.text


def test_another_search_can_be_used(corpus):
    last = list(corpus.chunks())[-1]
    hit = type(corpus.search("lamp", 1)[0])(last, 5.0)
    page = pages_by_rank(corpus, "anything", 300, 1, search=lambda query, limit: [hit])[0]
    assert (page.pieces[0].document, page.score) == ("middle", 5.0)


def test_short_documents_share_a_page_in_order_as_pieces_of_their_own(corpus):
    pages = list(pages_in_order(corpus, 300))
    shared = next(page for page in pages if any(piece.document == "short-1" for piece in page.pieces))
    assert [piece.document for piece in shared.pieces] == ["long", "short-1", "short-2", "middle"]


def test_only_the_pages_returned_are_read(corpus, monkeypatch):
    read = []
    real = Corpus.read

    def noting(self, indices):
        wanted = list(indices)
        read.extend(wanted)
        return real(self, wanted)

    monkeypatch.setattr(Corpus, "read", noting)
    pages = pages_by_rank(corpus, "station7 lamp", 100, 2)
    text = "".join(page.text for page in sorted(pages, key=lambda page: page.number))
    assert "".join(chunk.text for chunk in real(corpus, read)) == text


@given(st.lists(st.integers(1, 50), max_size=60), st.integers(1, 120))
def test_packing_covers_all_in_as_few_ranges_as_it_can(sizes, most):
    ranges = list(pack(sizes, most))
    assert [index for low, high in ranges for index in range(low, high)] == list(range(len(sizes)))
    assert all(sum(sizes[low:high]) <= most or high - low == 1 for low, high in ranges)
    assert len(ranges) <= sum(1 for _ in pack_greedily(sizes, most))


def pack_greedily(sizes, most):
    total = None
    for size in sizes:
        if total is None or total + size > most:
            yield size
            total = 0
        total += size


def test_the_last_page_is_no_scrap():
    assert [sum(([10] * 11)[low:high]) for low, high in pack([10] * 11, 100)] == [60, 50]


def test_bounds_that_hold_nothing_are_refused(corpus):
    with pytest.raises(UsageError, match="page_tokens"):
        list(pages_in_order(corpus, 0))
    with pytest.raises(UsageError, match="limit"):
        pages_by_rank(corpus, "lamp", 100, 0)
