"""Questions that nest others, asked one relation at a time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.reading.scripted import Prompt, agents, check_evidence, findings_of, judged, read, tries, weighed

from pansophy import Corpus
from pansophy.engine import Limits
from pansophy.events import Event, NoteWritten, RunStarted
from pansophy.reading.extagents import ExtAgents
from pansophy.reading.extagents.chain import chain_of, examples_for
from pansophy.types import Verdict

FACTS = (
    "Ada Berg taught Orla Venn the craft.",
    "Ada Berg has left it all to Ebbe Lund.",
    "Ebbe Lund moved to Marholm.",
)
OTHERS = tuple(f"Ida Holt bought {number} barrels of the salted herring at the old market." for number in range(9))
CORPUS = Corpus.from_texts({"text": " ".join(OTHERS[:3] + FACTS[2:] + OTHERS[3:6] + FACTS[:2] + OTHERS[6:])})
QUESTION = "What is the home of the heir of the mentor of Orla Venn?"
REPLIES = {"mentor of Orla": "Ada Berg", "heir of Ada": "Ebbe Lund", "home of Ebbe": "Marholm"}
OPTIONS: dict[str, Any] = {"unit": "sentences", "verdict": "measured", "findings": "extracts"}


def asked(prompt: Prompt) -> str:
    found = re.search(r"Question: (.*)", prompt[-1].content)
    assert found is not None
    return found[1]


def told(prompt: Prompt) -> list[str]:
    return re.findall(r"^\[\d+\] (.*)$", prompt[-1].content.partition("</findings>")[0], re.MULTILINE)


def replies(known: Mapping[str, str] = REPLIES, *, unsure: str = "", otherwise: str = "Per") -> Any:
    """Answers by the words of the question; not certain of the one that has `unsure`."""

    def reply(prompt: Prompt) -> Any:
        question = asked(prompt)
        text = next((answer for words, answer in known.items() if words in question), otherwise)
        return weighed(text, 0.2 if unsure and unsure in question else 0.9)

    return agents(lambda prompt: judged(0.9), reply)


@pytest.mark.parametrize(
    ("question", "relations", "start"),
    [
        ("Who is the mentor of the heir of Ada?", ("heir", "mentor"), "Ada"),
        ("Which town is the home of the skipper of the Heron?", ("skipper", "home"), "the Heron"),
        ("who was the brother-in-law of the late king of Norland", ("late king", "brother-in-law"), "Norland"),
        (
            "What is the capital of the birthplace of the author of Peer Gynt?",
            ("author", "birthplace", "capital"),
            "Peer Gynt",
        ),
        ("Who is Ada's mother's sister?", ("mother", "sister"), "Ada"),
        ("Where was Ada Berg’s uncle’s farm?", ("uncle", "farm"), "Ada Berg"),
        ("Which town is the home of Ada Berg's mentor?", ("mentor", "home"), "Ada Berg"),
        ("What was the capital of Ada's father's country?", ("father", "country", "capital"), "Ada"),
        ("小明的老师的父亲是谁？", ("老师", "父亲"), "小明"),
        ("《红灯》的作者的出生地的市长是谁?", ("作者", "出生地", "市长"), "《红灯》"),
    ],
)
def test_nested_relations_are_taken_apart_the_inner_one_first(question, relations, start) -> None:
    chain = chain_of(question)
    assert chain is not None
    assert (chain.relations, chain.start) == (relations, start)


@pytest.mark.parametrize(
    "question",
    [
        "Who is the mentor of Ada?",  # one relation
        "Who is Ada's mother?",
        "小明的老师是谁？",
        "Who is the mentor of the heir of the woman who sold the mill?",  # no name to begin with
        "What is the name of the end of the second act?",
        "Who are the mentors of Ada and the heir of Per?",
        "Is Ada the mentor of the heir of Per?",
        "How old is the mentor of the heir of Ada?",
        "When did the mentor of the heir of Ada die?",
        "the mentor of the heir of Ada",
        "",
    ],
)
def test_other_questions_are_left_whole(question) -> None:
    assert chain_of(question) is None


NAME = st.from_regex(r"[A-Z][a-z]{1,8}( [A-Z][a-z]{1,8})?", fullmatch=True)
NOUN = st.from_regex(r"[a-z]{2,9}", fullmatch=True).filter(lambda word: word not in {"of", "the", "who", "which"})


@given(st.lists(NOUN, min_size=2, max_size=6), NAME)
def test_a_chain_of_any_nouns_is_found_and_each_question_has_one_relation(nouns, name) -> None:
    chain = chain_of(f"Who is {' of '.join(f'the {noun}' for noun in nouns)} of {name}?")
    assert chain is not None
    assert (chain.relations, chain.start) == (tuple(nouns[::-1]), name)
    assert chain.question(0, chain.start) == f"What is the {nouns[-1]} of {name}?"
    assert chain.question(len(nouns) - 1, "Per") == f"Who is the {nouns[0]} of Per?"
    assert all(chain_of(chain.question(number, name)) is None for number in range(len(nouns)))


def test_the_questions_of_a_chinese_chain_are_chinese() -> None:
    chain = chain_of("小明的老师的父亲是谁？")
    assert chain is not None
    assert [chain.question(0, "小明"), chain.question(1, "李强")] == ["小明的老师是什么？", "李强的父亲是谁？"]
    assert examples_for(chain)[0].question.endswith("是谁？")


async def test_each_relation_is_asked_about_the_answer_to_the_one_before() -> None:
    model = replies()
    answer = await read(model, CORPUS, QUESTION, **OPTIONS)
    assert [asked(call.messages) for call in tries(model)] == [
        "What is the mentor of Orla Venn?",
        "What is the heir of Ada Berg?",
        "What is the home of Ebbe Lund?",
    ]
    assert (answer.question, answer.text, answer.verdict, answer.rounds) == (QUESTION, "Marholm", Verdict.ANSWERED, 3)
    assert answer.usage.calls == 3


async def test_all_facts_of_the_chain_are_cited_and_none_is_told_again() -> None:
    model = replies()
    answer = await read(model, CORPUS, QUESTION, **OPTIONS)
    assert [told(call.messages) for call in tries(model)] == [[FACTS[0]], [FACTS[1]], [FACTS[2]]]
    assert [item.quote for item in answer.evidence if item.cited] == list(FACTS)
    check_evidence(answer, CORPUS)


async def test_a_step_is_told_what_names_the_one_whom_it_is_about_if_anything_does() -> None:
    noise = (
        "The mentor of all the guild was the tallest of the mentors. Every mentor had an heir, and the heir a mentor."
    )
    corpus = Corpus.from_texts({"text": f"{noise} {FACTS[1]} {noise} {FACTS[0]} {FACTS[2]}"})
    model = replies()
    answer = await read(model, corpus, QUESTION, **OPTIONS)
    assert [told(call.messages) for call in tries(model)] == [[FACTS[0]], [FACTS[1]], [FACTS[2]]]
    assert answer.text == "Marholm"
    unnamed = Corpus.from_texts({"text": f"She was the mentor that all had. {FACTS[1]} {FACTS[2]}"})
    model = replies()
    await read(model, unnamed, QUESTION, **OPTIONS)
    assert told(tries(model)[0].messages) == ["She was the mentor that all had."]


async def test_of_sentences_that_hold_the_answer_the_one_with_most_of_the_question_is_cited() -> None:
    facts = "Marholm lies at the sea. Orla Venn has her home in Marholm."
    model = replies({"home": "Marholm"})
    answer = await read(model, Corpus.from_texts({"a": facts}), "What home has Orla, at Marholm or the sea?", **OPTIONS)
    assert [item.quote for item in answer.evidence if item.cited] == ["Orla Venn has her home in Marholm."]


async def test_a_small_model_is_shown_how_one_relation_is_answered_whatever_the_questions_examples() -> None:
    example = {"findings": ["Ida went to the barn."], "question": "Where is Ida?", "answer": "barn"}
    model = replies()
    await read(model, CORPUS, QUESTION, examples=[example], **OPTIONS)
    chain = chain_of(QUESTION)
    assert chain is not None
    for call in tries(model):
        shown = [message.content for message in call.messages if message.role == "assistant"]
        assert shown == [example.answer for example in examples_for(chain)]


async def test_the_whole_question_is_asked_where_one_on_the_way_is_not_believed() -> None:
    model = replies({"heir of the": "Marholm", **REPLIES}, unsure="heir of Ada")
    answer = await read(model, CORPUS, QUESTION, **OPTIONS)
    questions = [asked(call.messages) for call in tries(model)]
    assert questions[-1] == QUESTION
    assert "What is the home of Ebbe Lund?" not in questions
    assert (answer.text, answer.verdict) == ("Marholm", Verdict.ANSWERED)


async def test_the_last_one_may_be_a_guess_and_the_answer_says_so() -> None:
    model = replies(unsure="home of Ebbe")
    answer = await read(model, CORPUS, QUESTION, **OPTIONS)
    assert (answer.text, answer.verdict) == ("Marholm", Verdict.FORCED)
    assert QUESTION not in [asked(call.messages) for call in tries(model)]


async def test_the_whole_question_is_asked_where_one_finds_nothing() -> None:
    model = replies({"heir of the": "Marholm", **REPLIES, "mentor of Orla": "craft"})
    answer = await read(model, CORPUS, QUESTION, **OPTIONS)
    assert {asked(call.messages) for call in tries(model)} == {"What is the mentor of Orla Venn?", QUESTION}
    assert answer.warnings == ('no sentence has a word of the question "What is the heir of craft?"',)


async def test_without_sentences_or_where_it_is_switched_off_a_question_is_asked_whole() -> None:
    for options in ({"unit": "chunks"}, {"stepwise": False}):
        model = replies()
        await read(model, CORPUS, QUESTION, **{**OPTIONS, **options})
        assert {asked(call.messages) for call in tries(model)} == {QUESTION}
    model = replies()
    await read(model, CORPUS, QUESTION, **{**OPTIONS, "unit": "chunks", "stepwise": True})
    assert len({asked(call.messages) for call in tries(model)}) == 3


async def test_a_question_is_announced_once_and_every_step_is_told() -> None:
    seen: list[Event] = []
    await ExtAgents(replies(), settings=OPTIONS).run(QUESTION, CORPUS, emit=seen.append)
    assert [event.question for event in seen if isinstance(event, RunStarted)] == [QUESTION]
    assert [(event.step, event.of, event.text) for event in seen if isinstance(event, NoteWritten)] == [
        (1, 3, "What is the mentor of Orla Venn? Ada Berg"),
        (2, 3, "What is the heir of Ada Berg? Ebbe Lund"),
        (3, 3, "What is the home of Ebbe Lund? Marholm"),
    ]


async def test_what_was_found_on_the_way_is_kept_when_the_budget_ends() -> None:
    answer = await read(replies(), CORPUS, QUESTION, limits=Limits(max_calls=2), **OPTIONS)
    assert answer.verdict is Verdict.OUT_OF_BUDGET
    assert [item.quote for item in answer.evidence if item.cited] == list(FACTS[:2])


async def test_an_agent_that_says_whether_it_can_answer_goes_step_by_step_too() -> None:
    def reply(prompt: Prompt) -> str:
        text = next(answer for words, answer in REPLIES.items() if words in asked(prompt))
        return f'{{"answerable": true, "answer": "{text}.", "findings": [1]}}'

    model = agents(reason=reply)
    answer = await read(model, CORPUS, QUESTION, unit="sentences", verdict="stated", findings="extracts")
    assert (answer.text, answer.verdict) == ("Marholm.", Verdict.ANSWERED)
    assert [findings_of(call.messages) != [] for call in tries(model)] == [True] * 3
    assert [len(call.messages) for call in tries(model)] == [2] * 3
