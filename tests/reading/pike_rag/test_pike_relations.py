"""Questions taken apart by their words: each relation asked by itself, of the chunk that tells it most certainly."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from tests.reading.pike_rag.rules import RULES, rule_model, stage, stages
from tests.reading.scripted import check_evidence

from pansophy import Corpus, ScriptedModel
from pansophy.engine import Engine
from pansophy.evaluation.hops import fact_in, make_pool
from pansophy.reading.extagents.chain import chain_of
from pansophy.reading.pike_rag import PikeRag
from pansophy.reading.pike_rag.knowledge import Candidate
from pansophy.reading.pike_rag.relations import Relations
from pansophy.reading.pike_rag.units import Unit
from pansophy.reading.strategy import Session
from pansophy.types import Answer, ChatMessage, Chunk, Completion, TokenLogprob, Usage, Verdict

QUESTION = "Which town is the home of the mentor of Orla Venn?"
FACTS = {
    "a": "Orla Venn learned the craft from Ada Bol.",
    "b": "Ada Bol lives in Kran.",
    "c": "Bo Dal lives in Pim.",
}
Told = Callable[[str, str], tuple[str, float]]
"""A chunk and a question for one relation -> the answer and its certainty."""


def asked_of(prompt: str) -> tuple[str, str]:
    text, _, question = prompt.partition("\n</text>\nQuestion: ")
    return text.removeprefix("<text>\n"), question


def model(told: Told, window: int = 8192) -> ScriptedModel:
    """Makes the index by the grammar of the notes, and answers for one relation as `told` says."""

    def reply(messages: Sequence[ChatMessage], schema: Any) -> Any:
        if stage(messages) == "atoms":
            return RULES["atoms"](messages[-1].content)
        answer, certainty = told(*asked_of(messages[-1].content))
        return Completion(answer, "stop", Usage(1, 10, 0, 1), (TokenLogprob(answer, math.log(certainty)),))

    return ScriptedModel(reply, window=window)


def by_grammar(text: str, question: str) -> tuple[str, float]:
    """The target of the fact whose source and relation the question names; for any other, an unsure guess."""
    fact = fact_in(text)
    if fact is None:
        return "nobody", 0.3
    relation, source, target = fact
    if source in question and any(noun in question for noun in relation.nouns):
        return target, 0.9
    return target, 0.2


async def ask(model: ScriptedModel, corpus: Corpus, question: str = QUESTION, **settings: Any) -> Answer:
    return await PikeRag(model, settings={"stepwise": True, **settings}).run(question, corpus)


def trail(answer: Answer) -> dict[str, Any]:
    return dict(answer.settings["decomposition"])


async def test_each_relation_is_asked_for_the_answer_before_it() -> None:
    corpus = Corpus.from_texts(FACTS)
    answer = await ask(model(by_grammar), corpus)
    assert (answer.text, answer.verdict) == ("Kran", Verdict.ANSWERED)
    asked = [step["proposals"] for step in trail(answer)["steps"]]
    assert asked == [["What is the mentor of Orla Venn?"], ["Which town is the home of Ada Bol?"], []]
    assert [place["document"] for place in trail(answer)["context"]] == ["a", "b"]
    assert [(one.document, one.quote, one.cited) for one in answer.evidence] == [
        ("a", FACTS["a"], True),
        ("b", FACTS["b"], True),
    ]
    check_evidence(answer, corpus)


async def test_whole_chains_are_found_where_a_single_search_finds_their_beginning() -> None:
    pool = make_pool(3, 8, seed=5)
    corpus = Corpus.from_texts(dict(pool.notes))
    reader = PikeRag(model(by_grammar), settings={"stepwise": True})
    for problem in pool.problems:
        answer = await reader.run(problem.question, corpus)
        assert {place["document"] for place in trail(answer)["context"]} >= pool.gold(problem)
        assert answer.text == problem.answer


async def test_the_most_certain_chunk_is_chosen_among_those_that_name_whom_it_is_about() -> None:
    texts = {
        "guess": "Orla Venn learned the craft from Ida Zum.",
        "told": "Orla Venn learned the craft from Ada Bol.",
        "other": "Bo Dal learned the craft from Pia Lund.",
        "home": "Ada Bol lives in Kran.",
    }
    certain = {"Ida Zum": 0.4, "Ada Bol": 0.6, "Pia Lund": 0.99, "Kran": 0.8}

    def told(text: str, question: str) -> tuple[str, float]:
        fact = fact_in(text)
        return (fact[2], certain[fact[2]]) if fact else ("nobody", 0.1)

    answer = await ask(model(told), Corpus.from_texts(texts))
    assert [place["document"] for place in trail(answer)["context"]] == ["told", "home"]


async def test_a_chunk_that_tells_both_relations_is_read_once_and_no_sentence_tells_two() -> None:
    text = "Orla Venn learned the craft from Ada Bol. Ada Bol lives in Kran."

    def told(text: str, question: str) -> tuple[str, float]:
        if "mentor" in question:
            return "Ada Bol", 0.9
        return ("Kran", 0.8) if "Kran" in text else ("Orla Venn", 0.9)

    corpus = Corpus.from_texts({"both": text, "c": FACTS["c"]})
    answer = await ask(model(told), corpus)
    assert answer.text == "Kran"
    assert [place["document"] for place in trail(answer)["context"]] == ["both"]
    assert [one.quote for one in answer.evidence] == text.replace(". A", ".|A").split("|")
    check_evidence(answer, corpus)


@pytest.mark.parametrize("said", ["Orla Venn", "Somebody Else", ""])
async def test_an_answer_that_echoes_or_does_not_stand_in_the_chunk_is_none(said: str) -> None:
    def reply(messages: Sequence[ChatMessage], schema: Any) -> Any:
        if stage(messages) == "answer" and "Question: What is the mentor" in messages[-1].content:
            return said
        return RULES[stage(messages)](messages[-1].content)

    answer = await ask(ScriptedModel(reply, window=8192), Corpus.from_texts(FACTS))
    assert trail(answer)["stop"] == "nothing helps"
    assert trail(answer)["context"] == []
    assert answer.settings["retrieved"]  # the question is answered from what fits it best


async def test_rounds_that_are_used_up_still_give_the_last_answer() -> None:
    answer = await ask(model(by_grammar), Corpus.from_texts(FACTS), rounds=2)
    assert (answer.text, trail(answer)["stop"]) == ("Kran", "the most rounds were made")


async def test_a_chunk_too_long_for_the_examples_is_told_and_not_read() -> None:
    text = FACTS["a"] + " Rain." * 200
    session = Session(QUESTION, Corpus.from_texts({"a": text}), Engine(), None, None)
    chain = chain_of(QUESTION)
    assert chain is not None
    small = model(by_grammar, window=200)
    relations = Relations(session, small, chain)
    unit = Unit(Chunk("a", 0, len(text), text, 0), 0)
    assert await relations.choose([Candidate("", "", unit, 1.0)]) is None
    assert "a chunk of a is too long to be asked with examples" in session.warnings[0]
    assert not small.calls


async def test_a_model_that_is_not_small_and_a_question_that_nests_nothing_are_left_to_proposals() -> None:
    for settings, question in (({}, QUESTION), ({"stepwise": True}, "Who is the mentor of Orla Venn?")):
        scripted = rule_model()
        await PikeRag(scripted, settings=settings).run(question, Corpus.from_texts(FACTS))
        assert "propose" in stages(scripted)
    small = model(by_grammar)
    small.parameters = 1.5  # type: ignore[attr-defined]
    answer = await PikeRag(small).run(QUESTION, Corpus.from_texts(FACTS))
    assert answer.text == "Kran"
    assert "propose" not in stages(small)
    assert json.dumps(trail(answer))
