"""Passages: a page in two."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from pansophy.corpus.pages import Page
from pansophy.reading.passages import halves
from pansophy.types import Chunk


def page_of(*texts: str) -> Page:
    pieces = [Chunk(f"d{number}", 10, 10 + len(text), text, number) for number, text in enumerate(texts)]
    return Page(tuple(pieces), 3)


@settings(deadline=None)
@given(st.lists(st.text(alphabet="ab. \n", min_size=1), min_size=1, max_size=3))
def test_halves_are_the_whole_and_each_is_shorter(texts: list[str]) -> None:
    page = page_of(*texts)
    if (parts := halves(page)) is None:
        assert len(texts) == 1
        return
    assert "".join(part.text for part in parts) == page.text
    assert all(0 < len(part.text) < len(page.text) for part in parts)
    for part in parts:
        for piece in part.pieces:
            whole = page.pieces[piece.index]
            assert piece == replace(
                whole, start=piece.start, end=piece.end, text=whole.text[piece.start - 10 : piece.end - 10]
            )


def test_a_page_is_halved_between_documents_then_sentences_then_words() -> None:
    def texts(*given: str) -> list[str]:
        parts = halves(page_of(*given))
        assert parts is not None
        return [part.text for part in parts]

    assert texts("One two.", "Three. Four.", "Five.") == ["One two.", "Three. Four.Five."]
    assert texts("Ada paid 3 crowns. Ben paid 9. Cid left.") == ["Ada paid 3 crowns. ", "Ben paid 9. Cid left."]
    assert texts("one two three") == ["one ", "two three"]
    assert halves(page_of("a")) is None
