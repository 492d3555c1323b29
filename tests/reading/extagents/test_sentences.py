"""Reading by sentences: facts that stand alone in a text about other things."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.reading.scripted import agents, check_evidence, findings_of, judged, read, seeks, tries, weighed

from pansophy import Corpus
from pansophy.errors import UsageError
from pansophy.reading.extagents.messages import terms
from pansophy.reading.extagents.sentences import sentences_by_rank
from pansophy.reading.extagents.settings import ExtAgentsSettings
from pansophy.types import Verdict

MOVES = [f"Orla walked to the {place}." for place in ("mill", "quay", "tower", "chapel")]
QUESTION = "Where is Orla?"
MEASURED = {"verdict": "measured", "findings": "extracts"}


def story(facts: list[str], *, between: int = 40) -> Corpus:
    """The facts in their order in a long text, in which Orla is named at length elsewhere."""
    chance = random.Random(1)
    parts = []
    for fact in facts:
        for number in range(between):
            name = "Orla" if number % 4 == 0 else "The captain"
            weather = chance.choice(("rain", "fog", "wind", "frost"))
            parts.append(f"{name} spoke of the {weather} that had come over the hills so early in that long year.")
        parts.append(fact)
    return Corpus.from_texts({"story": " ".join(parts)})


def test_a_short_sentence_that_says_it_comes_before_long_ones_that_mention_it() -> None:
    found = sentences_by_rank(story(MOVES), QUESTION, len(MOVES))
    assert sorted(page.text for page in found) == sorted(MOVES)


def test_equal_sentences_come_in_the_order_of_the_text_and_each_place_counts() -> None:
    corpus = story(["Orla walked to the mill."] * 3)
    found = sentences_by_rank(corpus, QUESTION, 3)
    assert [page.text for page in found] == ["Orla walked to the mill."] * 3
    starts = [page.pieces[0].start for page in found]
    assert starts == sorted(set(starts))


def test_sentences_without_a_word_of_the_query_are_left_out() -> None:
    assert sentences_by_rank(story(MOVES), "Where is Ebbe?", 5) == []
    assert len(sentences_by_rank(story(MOVES), QUESTION, 1000)) == 44


@settings(deadline=None, max_examples=25)
@given(
    texts=st.lists(st.text("ab .!\n王明。", max_size=80), min_size=1, max_size=4),
    query=st.text("ab 王明", max_size=12),
    limit=st.integers(1, 6),
)
def test_each_page_is_a_span_of_its_document_that_has_a_term_of_the_query(
    texts: list[str], query: str, limit: int
) -> None:
    corpus = Corpus.from_texts({f"text-{n}": text if text.strip() else "." for n, text in enumerate(texts)})
    found = sentences_by_rank(corpus, query, limit)
    assert len(found) <= limit
    assert len({(p.pieces[0].document, p.pieces[0].start) for p in found}) == len(found)
    assert [page.score for page in found] == sorted((page.score for page in found), reverse=True)
    for page in found:
        (piece,) = page.pieces
        assert corpus.document(piece.document).text[piece.start : piece.end] == piece.text
        assert terms(piece.text) & terms(query)


async def test_the_reasoning_agent_is_told_the_sentences_in_the_order_of_the_text() -> None:
    corpus = story(MOVES)
    model = agents(lambda prompt: judged(0.9), lambda prompt: weighed("chapel", 0.9))
    answer = await read(model, corpus, QUESTION, unit="sentences", max_chunks=4, **MEASURED)
    told = [finding.partition("\n")[2] for finding in findings_of(tries(model)[0].messages)]
    assert told == MOVES
    assert answer.text == "chapel"
    assert [item.quote for item in answer.citations] == ["Orla walked to the chapel."]
    check_evidence(answer, corpus)


async def test_a_later_round_finds_the_sentences_about_whom_the_first_one_names() -> None:
    corpus = story(["The lamp was in the hands of Orla.", *MOVES])

    def reason(prompt):
        return weighed("chapel", 0.9) if "chapel" in prompt[1].content else weighed("Orla", 0.2)

    model = agents(lambda prompt: judged(0.9), reason)
    options = {"unit": "sentences", "max_chunks": 6, **MEASURED}
    answer = await read(model, corpus, "Where is the lamp?", **options)
    assert (answer.text, answer.rounds) == ("chapel", 2)
    told = [finding.partition("\n")[2] for finding in findings_of(tries(model)[-1].messages)]
    assert [fact for fact in told if "spoke" not in fact] == ["The lamp was in the hands of Orla.", *MOVES]
    assert len(seeks(model)) == len(told)


async def test_a_question_whose_words_stand_nowhere_finds_nothing_and_says_why() -> None:
    model = agents()
    answer = await read(model, story(MOVES), "Where is Ebbe?", unit="sentences", **MEASURED)
    assert (answer.verdict, model.calls) == (Verdict.NOTHING_FOUND, [])
    assert answer.warnings == ("no sentence has a word of the question",)


async def test_sentences_are_chosen_by_a_search_and_never_all_read() -> None:
    with pytest.raises(UsageError, match="order"):
        ExtAgentsSettings(unit="sentences", order="document")
    with pytest.raises(UsageError, match="exhaustive"):
        ExtAgentsSettings(unit="sentences", exhaustive=True)
    with pytest.raises(UsageError, match="unit"):
        ExtAgentsSettings(unit="words")  # type: ignore[arg-type]
