"""Links: a document that another one names is found, and nothing that merely looks like it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pansophy.corpus import Corpus
from pansophy.corpus.links import Titles
from pansophy.corpus.pages import pages_by_rank, with_links

TITLES = [
    ("lamp", "Lamp Street"),
    ("krol", "Edda Krol"),
    ("krol-film", "Edda Krol (film)"),
    ("house", "The House on Lamp Street"),
    ("lists", "lists"),
    ("io", "Io"),
    ("b12", "B-12"),
    ("moon", "月の光"),
    ("sea", "海"),
]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It was Edda Krol who lit it.", ["krol"]),
        ("Edda Krol’s lamp on Lamp Street, and Edda Krol again", ["krol", "lamp"]),
        ("She wrote The House on Lamp Street.", ["house"]),
        ("edda krol and LAMP STREET", []),
        ("Edda Krolik lives in Clamp Street", []),
        ("Edda  Krol", []),
        ("lists of Io", []),
        ("(B-12)", ["b12"]),
        ("私は月の光と海が好きです。", ["moon"]),
        ("", []),
    ],
)
def test_titles_are_found_as_they_are_spelt_and_as_whole_words(text, found):
    assert Titles(TITLES).mentioned_in(text) == found


@given(st.lists(st.sampled_from([title for _, title in TITLES] + ["and", "Edda", "Krol", ",", "the"]), max_size=8))
def test_only_documents_whose_title_stands_in_the_text_are_found_each_once(parts):
    text = " ".join(parts)
    found = Titles(TITLES).mentioned_in(text)
    assert len(set(found)) == len(found)
    assert all(dict(TITLES)[document].removesuffix(" (film)") in text for document in found)


LETTERS = {
    "Old letters": "The lamp in the hall was a gift of Edda Krol. The lamp is brass.",
    "Lamps": "A lamp in a hall. A lamp in a house. A lamp.",
    "More lamps": "The lamp of the hall, a lamp of brass, was sold.",
    "Hall": "The hall has a lamp and a door.",
    "Door": "The lamp hangs beside the door.",
    "Edda Krol": "She was born in Senn.",
    "Senn": "A town by the river.",
}


def titled(texts: dict[str, str]) -> Corpus:
    from pansophy.types import Document

    corpus = Corpus.from_texts({"nothing": "."})
    corpus.add_documents([Document(title, title, text, title, title) for title, text in texts.items()])
    corpus.remove(["nothing"])
    return corpus


CORPUS = titled(LETTERS)


def documents(pages) -> list[str]:
    return [page.pieces[0].document for page in pages]


def test_a_document_that_the_best_pages_name_comes_right_after_them():
    found = pages_by_rank(CORPUS, "lamp hall gift", 100, 5)
    assert documents(found)[0] == "Old letters"
    assert "Edda Krol" not in documents(found)
    linked = with_links(CORPUS, found, 100, first=1, most=2)
    assert documents(linked) == ["Old letters", "Edda Krol", *documents(found)[1:4]]
    assert with_links(CORPUS, found, 100, first=1, most=0) == found


def test_a_named_document_that_was_found_anyway_is_moved_up_and_none_is_lost():
    found = pages_by_rank(CORPUS, "lamp hall gift", 100, 7)
    linked = with_links(CORPUS, found, 100, first=1, most=2)
    assert documents(linked)[:2] == ["Old letters", "Edda Krol"]
    assert sorted(documents(linked)) == sorted(documents(found))
    assert [page.number for page in linked if page.pieces[0].document == "Edda Krol"] == [
        page.number for page in found if page.pieces[0].document == "Edda Krol"
    ]


@settings(deadline=None)  # the first search opens the store
@given(st.integers(1, 7), st.integers(1, 7), st.integers(0, 3))
def test_following_links_keeps_the_number_of_pages_and_repeats_none(limit, first, most):
    found = pages_by_rank(CORPUS, "lamp hall Senn", 100, limit)
    linked = with_links(CORPUS, found, 100, first=first, most=most)
    assert len(linked) == len(found)
    assert len(set(documents(linked))) == len(linked)
    assert documents(linked)[: min(first, limit)] == documents(found)[: min(first, limit)]
