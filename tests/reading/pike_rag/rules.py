"""A rule-driven model for notes about invented people: it sees prompts alone, and does what they ask by the grammar of
the notes."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from pansophy import ScriptedModel
from pansophy.evaluation.hops import fact_in, facts_of, follow, single_question
from pansophy.evaluation.hops.relations import RELATIONS, Relation
from pansophy.models.scripted import ScriptedCall
from pansophy.reading.pike_rag.prompts import ATOMS_SYSTEM, DECOMPOSER, PARTING_SYSTEM, SUMMARY_SYSTEM
from pansophy.types import ChatMessage


def stage(messages: Sequence[ChatMessage]) -> str:
    """What a prompt asks for."""
    system, user = messages[0].content, messages[-1].content
    if system == ATOMS_SYSTEM:
        return "atoms"
    if system in (PARTING_SYSTEM, SUMMARY_SYSTEM):
        return "part" if system == PARTING_SYSTEM else "summarise"
    if system.startswith(DECOMPOSER):
        if '"sub_questions"' in user:
            return "propose"
        if '"number"' in user:
            return "paragraph" if "has these paragraphs" in user else "choose"
        return "sub answer"
    return "answer"


def stages(model: ScriptedModel) -> list[str]:
    return [stage(call.messages) for call in model.calls]


def calls(model: ScriptedModel, wanted: str) -> list[ScriptedCall]:
    return [call for call in model.calls if stage(call.messages) == wanted]


def context_of(prompt: str) -> list[str]:
    """The sentences of what has been found."""
    return re.split(r"(?<=\.)\s+|\n", prompt.partition("\n</text>")[0])


def question_of(prompt: str) -> str:
    return re.findall(r"^Question: (.*)$", prompt, re.MULTILINE)[-1]


def options_of(prompt: str) -> list[str]:
    return re.findall(r"^\d+\. (.*)$", prompt.rpartition("</text>")[2], re.MULTILINE)


def atoms(prompt: str) -> str:
    """The question that each fact of a note answers, by the first of the relation's nouns, and the one from the other
    end."""
    asked = []
    for relation, source, target in _told(re.findall(r"^Content: (.*)$", prompt, re.MULTILINE)[0]):
        noun = relation.nouns[0]
        asked += [single_question(noun, source), f"Whose {noun} is {target}?"]
    return "\n".join(f"{number}. {question}" for number, question in enumerate(asked, start=1)) or "Nothing."


def propose(prompt: str) -> str:
    found, missing = follow(context_of(prompt), question_of(prompt))
    asked = [single_question(missing, found)] if missing else []
    return json.dumps({"thinking": f"known: {found}", "sub_questions": asked})


def choose(prompt: str) -> str:
    """The option that asks for the missing relation of the one whom the context leads to."""
    found, missing = follow(context_of(prompt), question_of(prompt))
    options = options_of(prompt)
    wanted = [single_question(noun, found) for noun in _same(missing)]
    return json.dumps({"number": next((n for n, option in enumerate(options, 1) if option in wanted), 0)})


def choose_paragraph(prompt: str) -> str:
    found, missing = follow(context_of(prompt), question_of(prompt))
    for number, option in enumerate(options_of(prompt), start=1):
        if any(missing in relation.nouns and source == found for relation, source, _ in _told(option)):
            return json.dumps({"number": number})
    return '{"number": 0}'


def answer(prompt: str) -> str:
    sentences = context_of(prompt)
    found, missing = follow(sentences, question_of(prompt))
    quote = next((one for one in reversed(sentences) if found in one), "")
    return json.dumps({"answerable": not missing, "answer": found, "quote": quote})


RULES = {
    "atoms": atoms,
    "propose": propose,
    "choose": choose,
    "paragraph": choose_paragraph,
    "answer": answer,
    "sub answer": lambda prompt: json.dumps({"answer": "somebody"}),
    "part": lambda prompt: '{"last_sentence": 1, "first_summary": "one", "second_summary": "two"}',
    "summarise": lambda prompt: "a summary",
}


def rule_model(window: int = 8192, **rules: Any) -> ScriptedModel:
    """The model of these rules, some of them replaced (spaces in names are underscores)."""
    chosen = {**RULES, **{name.replace("_", " "): rule for name, rule in rules.items()}}

    def reply(messages: Sequence[ChatMessage], schema: Any) -> Any:
        return chosen[stage(messages)](messages[-1].content)

    return ScriptedModel(reply, window=window)


def _told(note: str) -> list[tuple[Relation, str, str]]:
    return [told for told in map(fact_in, facts_of(note)) if told is not None]


def _same(noun: str) -> tuple[str, ...]:
    return next((relation.nouns for relation in RELATIONS if noun in relation.nouns), ())
