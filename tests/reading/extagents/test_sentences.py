"""Reading by sentences: facts that stand alone in a text about other things."""

from __future__ import annotations

import random
import re
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.reading.scripted import agents, answered, check_evidence, judged, read, seeks, tries, weighed

from pansophy import Corpus
from pansophy.errors import UsageError
from pansophy.events import RunStarted
from pansophy.reading.cues import Time, time_of
from pansophy.reading.extagents.messages import terms
from pansophy.reading.extagents.sentences import (
    like_examples,
    names_in,
    sentences_by_rank,
    sentences_with_links,
)
from pansophy.reading.extagents.settings import ExtAgentsSettings
from pansophy.types import Example, Verdict

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


def told(prompt) -> list[str]:
    """The sentences that the reasoning agent is told, in their order: the last block, examples come before it."""
    block = prompt[-1].content.rpartition("<findings>\n")[2].partition("\n</findings>")[0]
    return [re.sub(r"^\[\d+\] ", "", line) for line in block.splitlines()]


@pytest.mark.parametrize(("certain_from", "steps"), [(1, [1]), (3, [1, 2, 3]), (4, [1, 2, 3, 4])])
async def test_the_last_sentences_are_told_first_in_the_order_of_the_text(certain_from: int, steps: list[int]) -> None:
    corpus = story(MOVES)

    def reason(prompt):
        return weighed("chapel", 0.9 if len(told(prompt)) >= certain_from else 0.2)

    model = agents(lambda prompt: judged(0.9), reason)
    answer = await read(model, corpus, QUESTION, unit="sentences", max_chunks=4, **MEASURED)
    assert [told(call.messages) for call in tries(model)] == [MOVES[-size:] for size in steps]
    assert (answer.text, answer.rounds) == ("chapel", 1)
    assert [item.quote for item in answer.citations] == ["Orla walked to the chapel."]
    assert not seeks(model)  # what the search chose is not judged by small models
    check_evidence(answer, corpus)


async def test_they_are_judged_if_asked_for() -> None:
    model = agents(lambda prompt: judged(0.9), lambda prompt: weighed("chapel", 0.9))
    await read(model, story(MOVES), QUESTION, unit="sentences", max_chunks=4, judge=True, **MEASURED)
    assert len(seeks(model)) == 1


async def test_the_order_of_rank_tells_all_at_once() -> None:
    model = agents(lambda prompt: judged(0.9), lambda prompt: weighed("chapel", 0.9))
    options = {"unit": "sentences", "order": "rank", "schedule": ("all",), "max_chunks": 4}
    await read(model, story(MOVES), QUESTION, **options, **MEASURED)
    assert [told(call.messages) for call in tries(model)] == [MOVES]


LAMP = "The lamp was in the hands of Orla."


async def test_where_the_found_ones_are_not_enough_those_about_whom_they_name_are_told_too() -> None:
    """From shortly before the last mention on, then from before the one before it."""
    other = "The lamp was in the hands of Ebbe."
    facts = [MOVES[0], other, MOVES[1], MOVES[2], LAMP, MOVES[3]]
    corpus = story(facts, between=0)
    model = agents(reason=lambda prompt: weighed("Orla", 0.2))
    answer = await read(model, corpus, "Where is the lamp?", unit="sentences", max_chunks=6, **MEASURED)
    assert [told(call.messages) for call in tries(model)] == [[LAMP], [other, LAMP], facts[3:], facts]
    assert (answer.verdict, answer.rounds) == (Verdict.FORCED, 2)


def test_a_chain_of_names_is_followed_to_its_end_but_not_beyond_the_limit() -> None:
    chain = ["The lamp was left to Ida.", "Ida wrote to Per.", "It was Per whom Ulf feared.", "Ulf lives in Brae."]
    corpus, question = story(chain), "Who has the lamp?"
    found = sentences_by_rank(corpus, question, 8)
    rank = partial(sentences_by_rank, corpus, limit=8)
    linked = sentences_with_links(found, question, rank, most=2, enough=8)
    assert [page.text for page in linked] == chain
    assert sentences_with_links(found, question, rank, most=0, enough=8) == found
    assert [page.text for page in sentences_with_links(found, question, rank, most=2, enough=2)] == chain[:2]


def test_sentences_worded_like_the_examples_are_kept() -> None:
    corpus = story([*MOVES, "Orla, said the captain, would never again be seen in that town or any other."])
    found = sentences_by_rank(corpus, QUESTION, 30, least=0.0)
    example = Example(("Ida went to the barn.",), "Where is Ida?", "barn")
    assert len(found) == 30
    assert sorted(page.text for page in like_examples(found, [example])) == sorted(MOVES)
    assert like_examples(found, []) == found


@pytest.mark.parametrize(
    ("question", "time"),
    [
        ("Where is the lamp?", Time.NOW),
        ("Who runs the mill?", Time.NOW),
        ("Where's Orla?", Time.NOW),
        ("灯在哪里？", Time.NOW),
        ("Who lit the lamp?", Time.ONCE),
        ("Who was given Orla's lamp?", Time.ONCE),
        ("谁拿了灯？", Time.ONCE),
        ("Where was the lamp before the yard?", Time.EARLIER),
        ("Who had the lamp first?", Time.EARLIER),
        ("灯之前在哪里？", Time.EARLIER),
    ],
)
async def test_only_how_things_stand_is_read_from_the_last_sentence_on(question: str, time: Time) -> None:
    assert time_of(question) is time
    model = agents(reason=lambda prompt: weighed("chapel", 0.9))
    corpus = story(["The lamp of Orla is in the mill. 灯在磨坊。"])
    answer = await read(model, corpus, question, unit="sentences", **MEASURED)
    started = next(event for event in answer.trace if isinstance(event, RunStarted))
    assert started.order == ("latest" if time is Time.NOW else "rank")


LENT = ["Orla lent the lamp to Ida.", "Ida went to the quay.", "Ida lent the lamp to Per.", "Orla lent the jug to Ida."]


async def test_what_happened_once_is_told_at_once_and_where_that_leads_only_if_it_is_not_enough() -> None:
    corpus = story(LENT, between=0)
    model = agents(reason=lambda prompt: weighed("Per", 0.9 if len(told(prompt)) > 2 else 0.2))
    answer = await read(model, corpus, "Who got the lamp?", unit="sentences", **MEASURED)
    assert [told(call.messages) for call in tries(model)] == [[LENT[0], LENT[2]], LENT]
    assert (answer.text, answer.rounds) == ("Per", 2)


async def test_what_was_earlier_is_told_with_where_it_leads() -> None:
    model = agents(reason=lambda prompt: weighed("Orla", 0.9))
    await read(model, story(LENT, between=0), "Who had the lamp first?", unit="sentences", **MEASURED)
    assert [told(call.messages) for call in tries(model)] == [LENT]


async def test_the_words_of_an_examples_question_are_not_what_the_question_is_about() -> None:
    """Only one fact has the question's verb; the others say the same in another word."""
    facts = ["Orla lent the lamp to Ida.", "Ida passed the lamp to Orla.", "Orla passed the lamp to Per."]
    example = Example(("Ulf passed the pear to Ebbe.",), "Who lent the pear?", "Ulf")
    for examples, found in (([], facts[:1]), ([example], facts)):
        model = agents(reason=lambda prompt: weighed("Orla", 0.9))
        options = {"unit": "sentences", "examples": examples, "links": 0, "rounds": 1}
        await read(model, story(facts, between=0), "Who lent the lamp?", **options, **MEASURED)
        assert told(tries(model)[0].messages) == found


@pytest.mark.parametrize("answer", ["there", "Orla", "Where is Orla?"])
async def test_an_answer_that_names_nothing_new_is_not_believed(answer: str) -> None:
    def reason(prompt):
        return weighed("quay", 0.6) if len(told(prompt)) > 1 else weighed(answer, 0.99)

    model = agents(reason=reason)
    read_ = await read(model, story(MOVES[:2], between=0), QUESTION, unit="sentences", **MEASURED)
    assert read_.text == "quay"


async def test_without_links_a_later_round_searches_for_what_was_found() -> None:
    corpus = story([LAMP, *MOVES])

    def reason(prompt):
        return weighed("chapel", 0.9) if "chapel" in told(prompt)[-1] else weighed("Orla", 0.2)

    model = agents(lambda prompt: judged(0.9), reason)
    answer = await read(model, corpus, "Where is the lamp?", unit="sentences", links=0, max_chunks=6, **MEASURED)
    assert (answer.text, answer.rounds) == ("chapel", 2)


@pytest.mark.parametrize(
    ("texts", "query", "names"),
    [
        (["Orla took the lamp.", "Ebbe saw Orla."], "Where is the lamp?", ["Orla", "Ebbe"]),
        (["Orla took the lamp.", "Ebbe took the lamp."], "Where is the lamp?", ["Ebbe", "Orla"]),  # the last one first
        (["Orla took the lamp."], "Where is Orla?", []),
        (["The Orla Venn sails for Port Oriel."], "Where does it sail?", ["Orla Venn", "Port Oriel"]),
        (["Łukasz saw it, and Šárka\nVenn."], "Who saw it?", ["Łukasz", "Šárka Venn"]),
        (["Orla Venn took the lamp. Ebbe saw it."], "Where is Orla?", ["Ebbe"]),  # the question names her in part
        (["It broke the Glass.", "A glass broke."], "Where is the lamp?", []),  # also written small: no name
        (["王明拿了灯。"], "灯在哪里？", []),
        ([], "Where?", []),
    ],
)
def test_names_are_capitalised_words_that_the_question_lacks(texts, query, names) -> None:
    assert names_in(texts, query) == names


async def test_examples_stand_before_the_findings_and_the_question_is_asked_like_theirs() -> None:
    shown = Example(("Ida went to the barn.", "Ida went to the yard."), "Where is Ida?", "yard")
    far = Example(("Ida gave Per a pear.",), "What did Ida give to Per?", "pear")
    model = agents(lambda prompt: judged(0.9), lambda prompt: weighed("chapel", 0.9))
    options = {"unit": "sentences", "examples": [far, shown], "most_examples": 1}
    answer = await read(model, story(MOVES), QUESTION, **options, **MEASURED)
    _, asked, replied, last = tries(model)[0].messages
    block = "<findings>\n[1] Ida went to the barn.\n[2] Ida went to the yard.\n</findings>"
    assert (asked.role, asked.content) == ("user", f"{block}\nQuestion: Where is Ida?")
    assert (replied.role, replied.content) == ("assistant", "yard")
    assert last.content.endswith(f"</findings>\nQuestion: {QUESTION}")
    assert answer.settings["examples"][1]["answer"] == "yard"


async def test_an_agent_that_is_asked_whether_it_can_answer_is_shown_no_examples() -> None:
    example = Example(("Ida went to the barn.",), "Where is Ida?", "barn")
    model = agents(reason=lambda prompt: answered("chapel", 1))
    options = {"unit": "sentences", "findings": "extracts", "verdict": "stated", "examples": [example]}
    answer = await read(model, story(MOVES), QUESTION, **options)
    assert answer.text == "chapel"
    assert not any("Ida" in message.content for message in tries(model)[0].messages)


async def test_of_chunks_too_the_latest_that_match_come_first_and_none_that_does_not() -> None:
    texts = {
        f"{n:02}": f"Report {n}. {fact}" for n, fact in enumerate(["The lamp is lit.", "The lamp is out.", "Rain."])
    }
    model = agents(lambda prompt: judged(0.9), lambda prompt: weighed("out", 0.2))
    await read(model, Corpus.from_texts(texts), "How is the lamp?", order="latest", **MEASURED)
    shown = [prompt for call in tries(model) for prompt in [call.messages[-1].content]]
    assert "The lamp is out." in shown[0]
    assert "The lamp is lit." not in shown[0]
    assert "The lamp is lit." in shown[1]
    assert not any("Rain." in prompt for prompt in shown)


async def test_nothing_is_asked_twice_where_the_next_round_finds_nothing_new() -> None:
    model = agents(reason=lambda prompt: weighed("chapel", 0.2))
    await read(model, story(MOVES), QUESTION, unit="sentences", max_chunks=4, **MEASURED)
    asked = [tuple(told(call.messages)) for call in tries(model)]
    assert len(set(asked)) == len(asked) == 4


async def test_a_schedule_that_meets_empty_chunks_ends_with_everything() -> None:
    model = agents(lambda prompt: judged(0.0 if MOVES[-1] in prompt[-1].content else 0.9), lambda p: weighed("x", 0.2))
    options = {"unit": "sentences", "judge": True, "schedule": (1,), "rounds": 1, "stop_when_settled": False}
    await read(model, story(MOVES), QUESTION, max_chunks=4, **options, **MEASURED)
    assert [told(call.messages) for call in tries(model)] == [MOVES[:-1]]


async def test_where_no_sentence_is_like_an_example_all_are_read() -> None:
    example = Example(("王明去了磨坊。",), "王明在哪里？", "磨坊")
    model = agents(reason=lambda prompt: weighed("chapel", 0.9))
    answer = await read(model, story(MOVES), QUESTION, unit="sentences", examples=[example], **MEASURED)
    assert told(tries(model)[0].messages) == MOVES[-1:]
    assert not answer.warnings


async def test_chinese_sentences_are_compared_with_examples_too() -> None:
    example = Example(("王明去了花房。",), "王明在哪里？", "花房")
    corpus = Corpus.from_texts({"a": "张丽去了花园。张丽很喜欢那种又大又红的苹果和梨。"})
    model = agents(reason=lambda prompt: weighed("花园", 0.9))
    await read(model, corpus, "张丽在哪里？", unit="sentences", examples=[example], **MEASURED)
    assert told(tries(model)[0].messages) == ["张丽去了花园。"]


async def test_a_question_whose_words_stand_nowhere_finds_nothing_and_says_why() -> None:
    model = agents()
    answer = await read(model, story(MOVES), "Where is Ebbe?", unit="sentences", **MEASURED)
    assert (answer.verdict, model.calls) == (Verdict.NOTHING_FOUND, [])
    assert answer.warnings == ('no sentence has a word of the question "Where is Ebbe?"',)


async def test_sentences_are_chosen_by_a_search_and_never_all_read() -> None:
    with pytest.raises(UsageError, match="order"):
        ExtAgentsSettings(unit="sentences", order="document")
    with pytest.raises(UsageError, match="exhaustive"):
        ExtAgentsSettings(unit="sentences", exhaustive=True)
    with pytest.raises(UsageError, match="unit"):
        ExtAgentsSettings(unit="words")  # type: ignore[arg-type]
