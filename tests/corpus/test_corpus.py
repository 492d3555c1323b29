"""A corpus gives back what was put in, whole, in order, and finds it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pansophy.corpus import Corpus, list_corpora
from pansophy.errors import CorpusError, SourceError, UsageError
from pansophy.types import Document, Span

HARBOUR = {
    "keeper": "Anna Holm kept the light at Skerry Point. She lit the lamp every evening. " * 30,
    "boats": "# Boats\n\nThe Petrel was built of larch.\n\n## Repairs\n\nHer keel was mended in Bergen. "
    + "Oak. " * 400,
    "tides": "High water comes twice a day, and the springs follow the full moon.",
}


@pytest.fixture(scope="module")
def harbour():
    return Corpus.from_texts(HARBOUR, chunk_tokens=60)


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


def document(name, text, **more):
    return Document(id=name, title=name, text=text, source="", sha256="", **more)


def test_every_document_comes_back_whole(harbour):
    assert [info.id for info in harbour.documents()] == list(HARBOUR)
    for name, text in HARBOUR.items():
        assert harbour.document(name).text == text


def test_chunks_are_spans_of_their_document_in_reading_order(harbour):
    chunks = list(harbour.chunks())
    assert [chunk.index for chunk in chunks] == list(range(harbour.chunk_count))
    assert all(chunk.text == HARBOUR[chunk.document][chunk.start : chunk.end] for chunk in chunks)
    assert "".join(chunk.text for chunk in chunks) == "".join(HARBOUR.values())
    assert harbour.character_count == sum(map(len, HARBOUR.values()))


def test_the_chunks_of_one_document_can_be_read_alone(harbour):
    chunks = list(harbour.chunks(document="boats"))
    assert {chunk.document for chunk in chunks} == {"boats"}
    assert (chunks[0].index, chunks[-1].index + 1) == harbour.chunk_range("boats")
    assert harbour.chunk_sizes(*harbour.chunk_range("boats")) == [len(chunk.text.encode()) for chunk in chunks]


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_the_text_of_any_span_is_that_of_the_document(harbour, data):
    name = data.draw(st.sampled_from(list(HARBOUR)))
    start = data.draw(st.integers(0, len(HARBOUR[name])))
    end = data.draw(st.integers(start, len(HARBOUR[name])))
    assert harbour.text(Span(name, start, end)) == HARBOUR[name][start:end]


@pytest.mark.parametrize("span", [Span("tides", -1, 3), Span("tides", 0, 1000), Span("tides", 5, 3)])
def test_a_span_outside_of_its_document_is_refused(harbour, span):
    with pytest.raises(CorpusError, match="doesn't lie in it"):
        harbour.text(span)


def test_an_unknown_document_or_chunk_is_refused(harbour):
    with pytest.raises(CorpusError, match="no document 'sea'"):
        harbour.document("sea")
    with pytest.raises(CorpusError, match="chunks"):
        harbour.read([0, harbour.chunk_count])


@given(st.lists(st.text(st.characters(codec=None), max_size=300), min_size=1, max_size=5))
@settings(max_examples=15, deadline=None)
def test_any_texts_survive_storage(texts):
    kept = [text for text in texts if text.strip()]
    if not kept:
        with pytest.raises(SourceError):
            Corpus.from_texts(texts)
        return
    corpus = Corpus.from_texts(texts, chunk_tokens=20)
    expected = ["".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text) for text in kept]
    assert [corpus.document(info.id).text for info in corpus.documents()] == expected


def test_texts_without_ids_are_numbered():
    assert [info.id for info in Corpus.from_texts(["a", "b"]).documents()] == ["text-1", "text-2"]
    with pytest.raises(UsageError, match="several texts"):
        Corpus.from_texts("a")


def test_an_empty_corpus_is_no_error():
    corpus = Corpus.from_texts({})
    assert (corpus.chunk_count, corpus.character_count, list(corpus.chunks())) == (0, 0, [])
    assert corpus.search("anything", 5) == []


# ---- search ----


def test_the_chunk_that_holds_the_words_comes_first(harbour):
    hits = harbour.search("Where was the keel of the Petrel mended?", 3)
    assert "Bergen" in hits[0].chunk.text
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_word_forms_and_accents_do_not_matter():
    corpus = Corpus.from_texts({"a": "The café owners were running.", "b": "Nothing of the kind."})
    for query in ("CAFE", "owner", "who runs?"):
        assert [hit.chunk.document for hit in corpus.search(query, 5)] == ["a"], query


def test_a_title_and_a_heading_count_for_chunks_that_do_not_repeat_them():
    tail = "He was born in the spring. " * 30
    corpus = Corpus.from_texts(
        {"Niels Abel": tail, "Sophus Lie": tail, "notes": f"# Evariste Galois\n\n{tail}"}, chunk_tokens=50
    )
    assert corpus.search("When was Sophus Lie born?", 1)[0].chunk.document == "Sophus Lie"
    hits = corpus.search("When was Galois born?", 4)
    assert [hit.chunk.document for hit in hits] == ["notes"] * 4


def test_words_that_name_things_in_technical_texts_are_found():
    corpus = Corpus.from_texts({"with": "A block that closes its file.", "lambda": "A small function."})
    assert corpus.search("with", 1)[0].chunk.document == "with"


POLYGLOT = {
    "zh-1": "小王昨天在北京大学图书馆丢失了一本红色的笔记本。",
    "zh-2": "李华在上海的咖啡馆找到了一把钥匙。",
    "ja-1": "太郎は昨日、東京駅で赤い傘を買いました。",
    "ja-2": "花子は図書館で本を読んでいます。",
    "ko-1": "철수는 어제 서울역에서 친구를 만났습니다.",
    "ko-2": "영희는 부산에서 바다를 보았다.",
    "ru-1": "Собаки бежали быстро по улицам Москвы.",
    "en-1": "A key was found by the harbour master.",
}
QUESTIONS = [
    ("红色笔记本是谁丢的？", "zh-1"),
    ("谁在咖啡馆找到了钥匙", "zh-2"),
    ("太郎が買った傘は何色ですか", "ja-1"),
    ("本を読む人は誰", "ja-2"),
    ("서울역 친구", "ko-1"),
    ("부산의 바다", "ko-2"),
    ("Где бежали собаки?", "ru-1"),
    ("Who found the key?", "en-1"),
]
THAI = {"th-1": "แมวกินปลาในครัว", "th-2": "เรือจอดที่ท่าเรือ"}


@pytest.fixture(scope="module", params=["pairs", "dictionary"])
def polyglot(request):
    """The texts as they are searched without a dictionary, and with one (because some text is Thai)."""
    return Corpus.from_texts(POLYGLOT if request.param == "pairs" else {**POLYGLOT, **THAI})


@pytest.mark.parametrize(("question", "answer"), QUESTIONS)
def test_a_question_in_any_script_finds_its_text(polyglot, question, answer):
    assert polyglot.search(question, 3)[0].chunk.document == answer


def test_a_script_that_needs_a_dictionary_is_found_even_when_it_comes_late(home):
    corpus = Corpus.create("c", home=home)
    for name, text in {**POLYGLOT, **THAI}.items():
        corpus.add_documents([document(name, text)])
    for question, answer in [*QUESTIONS, ("ปลา", "th-1"), ("ท่าเรือ", "th-2")]:
        assert corpus.search(question, 3)[0].chunk.document == answer, question


@pytest.mark.parametrize(
    "query",
    [
        '"',
        "lamp AND (",
        "a:b^2~*?\\",
        "+lamp -evening",
        "{!x}",
        "lamp\x00evening",
        "'; DROP TABLE",
        "\ud800",
        "🔦",
        "[[",
        "\n",
    ],
)
def test_no_query_breaks_the_search(harbour, query):
    assert isinstance(harbour.search(query, 3), list)


def test_operators_are_words(harbour):
    plain = [hit.chunk.index for hit in harbour.search("lamp evening", 5)]
    assert [hit.chunk.index for hit in harbour.search('+lamp -"evening"', 5)] == plain


def test_a_very_long_question_is_answered_by_its_first_words(harbour):
    assert (
        harbour.search("Petrel keel Bergen " + " ".join(f"word{n}" for n in range(20_000)), 1)[0].chunk.document
        == "boats"
    )


def test_a_question_that_matches_nothing_finds_nothing(harbour):
    assert harbour.search("xylophone", 5) == []
    assert harbour.search("   ", 5) == []
    with pytest.raises(UsageError, match="at least 1"):
        harbour.search("lamp", 0)


def test_equal_chunks_come_in_reading_order():
    corpus = Corpus.from_texts(dict.fromkeys("zxy", "The same words."))
    assert [hit.chunk.document for hit in corpus.search("same words", 3)] == ["z", "x", "y"]


# ---- identity ----


def test_the_fingerprint_changes_exactly_with_the_contents(home):
    corpus = Corpus.create("a", home=home)
    seen = {corpus.fingerprint}
    corpus.add_documents([document("x", "one"), document("y", "two")])
    both = corpus.fingerprint
    assert both not in seen
    corpus.add_documents([document("x", "one")])
    assert corpus.fingerprint == both
    corpus.add_documents([document("x", "changed")])
    assert corpus.fingerprint not in {both, *seen}
    corpus.add_documents([document("x", "one")])
    assert corpus.fingerprint == both
    other = Corpus.from_texts({"y": "two", "x": "one"})
    assert other.fingerprint == both
    corpus.remove(["y"])
    assert corpus.fingerprint == Corpus.from_texts({"x": "one"}).fingerprint != both


def test_a_replaced_document_keeps_its_place(home):
    corpus = Corpus.create("a", home=home)
    corpus.add_documents([document(name, f"text of {name}") for name in "abc"])
    report = corpus.add_documents([document("b", "another text"), document("a", "text of a")])
    assert (report.added, report.unchanged) == (("b",), ("a",))
    assert [corpus.document(info.id).text for info in corpus.documents()] == ["text of a", "another text", "text of c"]
    assert [hit.chunk.document for hit in corpus.search("another", 5)] == ["b"]


def test_metadata_and_title_are_kept(home):
    corpus = Corpus.create("a", home=home)
    corpus.add_documents([Document("x", "A Title", "text", "somewhere", "", {"year": "1887"})])
    found = Corpus.open("a", home=home).document("x")
    assert (found.title, found.source, dict(found.metadata)) == ("A Title", "somewhere", {"year": "1887"})


# ---- names ----


def test_an_unknown_corpus_is_refused_with_those_there_are(home):
    with pytest.raises(CorpusError, match="none yet"):
        Corpus.open("papers", home=home)
    Corpus.create("letters", home=home)
    with pytest.raises(CorpusError, match="letters"):
        Corpus.open("papers", home=home)
    assert not (home / "corpora" / "papers").exists()


@pytest.mark.parametrize("name", ["", "../a", "a/b", ".hidden", "a b", "x" * 101, "-a"])
def test_a_name_that_is_no_folder_name_is_refused(home, name):
    with pytest.raises(UsageError, match="can't name a corpus"):
        Corpus.create(name, home=home)


def test_a_taken_name_is_refused_only_when_asked(home):
    Corpus.create("a", home=home, chunk_tokens=50)
    assert Corpus.create("a", home=home).chunk_tokens == 50
    with pytest.raises(CorpusError, match="already"):
        Corpus.create("a", home=home, exist_ok=False)


def test_corpora_are_listed_and_deleted(home):
    assert list_corpora(home) == []
    corpus = Corpus.create("b", home=home)
    corpus.add_documents([document("x", "text")])
    Corpus.create("a", home=home)
    assert [(info.name, info.documents) for info in list_corpora(home)] == [("a", 0), ("b", 1)]
    assert list_corpora(home)[1].size > 0
    corpus.delete()
    assert [info.name for info in list_corpora(home)] == ["a"]
    assert not (home / "corpora" / "b").exists()
    with pytest.raises(CorpusError):
        corpus.refresh()


def test_a_corpus_can_lie_at_a_uri(tmp_path):
    uri = str(tmp_path / "elsewhere")
    Corpus.create("a", uri=uri).add_documents([document("x", "text")])
    assert Corpus.open("a", uri=uri).document("x").text == "text"
    assert Path(uri, "a").is_dir()


def test_a_corpus_can_lie_in_an_object_store():
    corpus = Corpus.create("a", uri="memory://pansophy-test")
    corpus.add_documents([document("x", "Anna kept the light."), document("y", "The Petrel sank.")])
    assert corpus.search("who kept the light?", 1)[0].chunk.document == "x"
    assert corpus.remove(["x"]) == 1
    assert [info.id for info in corpus.documents()] == ["y"]


def test_a_corpus_of_texts_leaves_nothing_behind():
    corpus = Corpus.from_texts({"a": "text"})
    folder = Path(corpus.location)
    assert folder.is_dir()
    del corpus
    assert not folder.exists()
