"""The language of a document: told where it is clear, and not guessed from tables, code or two words."""

from __future__ import annotations

import pytest

from pansophy.corpus import Corpus, languages
from pansophy.corpus.languages import language_of


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (
            "The keeper lit the lamp at nine, and the boat came in before midnight with the letters for the school.",
            "en",
        ),
        ("Der Wärter zündete um neun die Lampe an, und vor Mitternacht kam das Boot mit den Briefen herein.", "de"),
        ("Le gardien alluma la lampe à neuf heures, et le bateau arriva avant minuit avec les lettres.", "fr"),
        ("灯塔看守人在九点钟点亮了灯，船在午夜之前带着学校的信件进了港。", "zh"),
        ("灯台守は九時にランプをともし、船は真夜中前に手紙を積んで入ってきました。", "ja"),
        ("Смотритель зажёг лампу в девять, и лодка пришла до полуночи с письмами для школы.", "ru"),
        ("1 2 3 4 5\n" * 50, ""),
        ("name,age\nAnna,3\nBob,4\n", ""),
        ("", ""),
    ],
)
def test_a_language_is_told_only_if_it_is_clear(text: str, language: str) -> None:
    assert language_of(text) == language


def test_documents_carry_their_language() -> None:
    corpus = Corpus.from_texts(
        {"de": "Der Wärter zündete um neun die Lampe an, und das Boot kam herein.", "n": "7 8 9"}
    )
    assert [(info.id, info.language) for info in corpus.documents()] == [("de", "de"), ("n", "")]


def test_a_language_that_cannot_be_told_keeps_no_document_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(languages, "_identifier", full)
    corpus = Corpus.from_texts({"de": "Der Wärter zündete um neun die Lampe an, und das Boot kam herein."})
    assert [info.language for info in corpus.documents()] == [""]
