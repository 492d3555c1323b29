"""The running note: strictly one after another, the note verbatim, bounded, and forgetful."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pansophy.corpus import Corpus
from pansophy.engine import Limits
from pansophy.errors import EndpointUnavailable, RunFailed, UsageError
from pansophy.events import ChunkFailed, ChunkRead, NoteWritten
from pansophy.models import ScriptedModel
from pansophy.models.scripted import ScriptedCall, count_words
from pansophy.reading.quotes import cut_at_sentence
from pansophy.reading.running_note import MANAGER_SYSTEM, WORKER_SYSTEM, RunningNote
from pansophy.types import ChatMessage, Verdict

QUESTION = "Where is the box now?"
FILLER = "The wind turns and the gulls cry over the roofs. "
MOVES = ["The box stands in the hall.", "Nothing moves.", "Tom carries the box into the cellar.", "Night falls."]


def story(*facts: str) -> Corpus:
    return Corpus.from_texts({f"chapter {n}": f"{fact} {FILLER * 8}" for n, fact in enumerate(facts)})


def note_of(messages: Sequence[ChatMessage]) -> str:
    found = re.search(r"\n<note>\n(.*)\n</note>\n\nQuestion: ", messages[-1].content, re.DOTALL)
    assert found is not None
    return found[1]


def is_worker(call: ScriptedCall) -> bool:
    return call.messages[0].content == WORKER_SYSTEM


def told(answer: str, quote: str = "", answerable: bool = True) -> str:
    return json.dumps({"answerable": answerable, "answer": answer, "quote": quote})


def scripted(worker: Callable[[str, str], Any], manager: Callable[[str], Any], window: int = 8192) -> ScriptedModel:
    """`worker` gets the chapter and the note, `manager` the prompt."""

    def reply(messages: Sequence[ChatMessage], schema: Any) -> Any:
        content = messages[-1].content
        if messages[0].content == MANAGER_SYSTEM:
            return manager(content)
        note = note_of(messages)
        part = content.split("</text>")[0]
        return worker(part, "" if note.startswith("(empty") else note)

    return ScriptedModel(reply, window=window)


def keeps_moves(part: str, note: str) -> str:
    """A reader that notes the sentences about the box."""
    new = [sentence for sentence in MOVES if "box" in sentence and sentence in part]
    return "\n".join([*([note] if note else []), *new]) or "Nothing yet."


PAGE = {"chunk_tokens": 140}


async def test_readers_come_one_after_another_and_each_gets_the_note_before_verbatim() -> None:
    notes = iter(["first  note\n- with “odd” signs", "second note.", "third note.", "the last note."])
    model = scripted(lambda part, note: next(notes), lambda prompt: told("x"))
    model.latency = 0.001  # overlapping calls would show
    await RunningNote(model, settings=PAGE).run(QUESTION, story(*MOVES))
    workers, managers = [c for c in model.calls if is_worker(c)], [c for c in model.calls if not is_worker(c)]
    assert (len(workers), len(managers)) == (4, 1)
    assert [c.messages[-1].content.splitlines()[1] for c in workers] == [f"# chapter {n}" for n in range(4)]
    assert note_of(workers[0].messages).startswith("(empty")
    assert [note_of(call.messages) for call in workers[1:]] == [
        "first  note\n- with “odd” signs",
        "second note.",
        "third note.",
    ]
    assert managers[0].messages[-1].content.startswith("<text>\nthe last note.\n</text>\n\n")


async def test_the_last_state_is_known_and_its_sentence_cited() -> None:
    corpus = story(*MOVES)
    model = scripted(keeps_moves, lambda prompt: told("the cellar", MOVES[2]))
    answer = await RunningNote(model, settings=PAGE).run(QUESTION, corpus)
    assert (answer.text, answer.verdict) == ("the cellar", Verdict.ANSWERED)
    assert [(item.document, item.quote, item.cited) for item in answer.evidence] == [
        ("chapter 0", MOVES[0], False),
        ("chapter 2", MOVES[2], True),
    ]
    for item in answer.evidence:
        assert corpus.document(item.document).text[item.start : item.end] == item.quote


async def test_sentences_that_the_note_has_lost_are_no_evidence() -> None:
    def forgets(part: str, note: str) -> str:
        return next((move for move in MOVES if "box" in move and move in part), note or "Nothing yet.")

    answer = await RunningNote(scripted(forgets, lambda p: told("cellar", MOVES[2])), settings=PAGE).run(
        QUESTION, story(*MOVES)
    )
    assert [item.quote for item in answer.evidence] == [MOVES[2]]


async def test_a_note_in_other_words_leaves_the_parts_that_changed_it_as_evidence() -> None:
    def own_words(part: str, note: str) -> str:
        return "Tom put it below." if MOVES[2] in part else note or "Hm."

    answer = await RunningNote(scripted(own_words, lambda p: told("cellar")), settings=PAGE).run(
        QUESTION, story(*MOVES)
    )
    assert [item.document for item in answer.evidence] == ["chapter 0", "chapter 2"]
    assert not answer.citations


async def test_early_facts_are_forgotten_when_the_chain_is_longer_than_the_note() -> None:
    """The method's known failure: the note has room for three facts, the text has ten."""

    def three_facts(part: str, note: str) -> str:
        facts = [*note.splitlines(), *re.findall(r"Fact \d+ is true\.", part)]
        return "\n".join(facts[-3:])

    seen: list[str] = []

    def manager(prompt: str) -> str:
        seen.extend(re.findall(r"Fact (\d+)", prompt))
        return told("x")

    await RunningNote(scripted(three_facts, manager), settings=PAGE).run(
        "Which facts?", story(*(f"Fact {n} is true." for n in range(10)))
    )
    assert seen == ["7", "8", "9"]


async def test_a_failing_reader_hands_on_the_old_note_and_is_reported() -> None:
    def worker(part: str, note: str) -> Any:
        return EndpointUnavailable("broken off") if "chapter 1" in part else keeps_moves(part, note)

    model = scripted(worker, lambda prompt: told("the cellar", MOVES[2]))
    answer = await RunningNote(model, settings=PAGE, limits=Limits(attempts=1)).run(QUESTION, story(*MOVES))
    assert answer.text == "the cellar"
    assert [(failed.document, failed.error) for failed in answer.failed_chunks] == [("chapter 1", "broken off")]
    assert [event.chunk for event in answer.trace if isinstance(event, ChunkFailed)] == [1]
    assert note_of(model.calls[2].messages) == MOVES[0]


async def test_if_every_reader_fails_the_run_fails_and_the_manager_is_not_asked() -> None:
    model = scripted(lambda part, note: EndpointUnavailable("broken off"), lambda prompt: told("made up"))
    with pytest.raises(RunFailed, match="broken off"):
        await RunningNote(model, settings=PAGE, limits=Limits(attempts=1)).run(QUESTION, story(*MOVES))
    assert all(is_worker(call) for call in model.calls)


async def test_a_note_over_its_limit_is_cut_at_a_sentence_with_a_warning() -> None:
    long = "The box is in the hall. It is heavy. Nobody moves it. " + "And the gulls cry on and on " * 20
    model = scripted(lambda part, note: long, lambda prompt: told("the hall"))
    answer = await RunningNote(model, settings={**PAGE, "note_tokens": 30}).run(QUESTION, story(*MOVES[:2]))
    assert note_of(model.calls[1].messages) == "The box is in the hall. It is heavy. Nobody moves it."
    assert any("ran into its limit of 30 tokens" in warning for warning in answer.warnings)


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("One. Two. And then thr", "One. Two."),
        ("One. Two.", "One. Two."),
        ("Only an unfinished one", "Only an unfinished one"),
        ("他来了。然后他走了。后来", "他来了。然后他走了。"),
        ("", ""),
    ],
)
def test_cutting_drops_only_an_unfinished_last_sentence(text: str, cut: str) -> None:
    assert cut_at_sentence(text) == cut


async def test_backward_reads_the_last_part_first() -> None:
    model = scripted(keeps_moves, lambda prompt: told("x"))
    await RunningNote(model, settings={**PAGE, "direction": "backward"}).run(QUESTION, story(*MOVES))
    heads = [call.messages[-1].content.splitlines()[1] for call in model.calls if is_worker(call)]
    assert heads == [f"# chapter {n}" for n in (3, 2, 1, 0)]


async def test_only_the_best_parts_are_read_when_told_so_but_in_the_order_of_the_text() -> None:
    corpus = story("Nothing.", "Where is the box?", "Nothing.", "The box is a box in a box.", "Nothing.")
    model = scripted(keeps_moves, lambda prompt: told("x"))
    await RunningNote(model, settings={**PAGE, "max_chunks": 2}).run("box?", corpus)
    heads = [call.messages[-1].content.splitlines()[1] for call in model.calls if is_worker(call)]
    assert heads == ["# chapter 1", "# chapter 3"]


async def test_a_refusal_is_followed_by_a_forced_answer() -> None:
    def manager(prompt: str) -> str:
        return told("", answerable=False) if "answerable" in prompt else told("somewhere")

    answer = await RunningNote(scripted(keeps_moves, manager), settings=PAGE).run(QUESTION, story(*MOVES))
    assert (answer.text, answer.verdict) == ("somewhere", Verdict.FORCED)
    answer = await RunningNote(scripted(keeps_moves, manager), settings={**PAGE, "force": False}).run(
        QUESTION, story(*MOVES)
    )
    assert (answer.text, answer.verdict) == ("", Verdict.NOTHING_FOUND)


async def test_a_budget_used_up_on_the_way_gives_the_note_so_far() -> None:
    model = scripted(keeps_moves, lambda prompt: told("x"))
    answer = await RunningNote(model, settings=PAGE, limits=Limits(max_calls=3)).run(QUESTION, story(*MOVES))
    assert (answer.text, answer.verdict) == (f"{MOVES[0]}\n{MOVES[2]}", Verdict.OUT_OF_BUDGET)


async def test_the_trace_has_every_note_and_which_part_added_to_it() -> None:
    answer = await RunningNote(scripted(keeps_moves, lambda p: told("x")), settings=PAGE).run(QUESTION, story(*MOVES))
    notes = [event for event in answer.trace if isinstance(event, NoteWritten)]
    assert [(note.step, note.of) for note in notes] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert notes[-1].text == f"{MOVES[0]}\n{MOVES[2]}"
    found = [(event.chunk, event.quote) for event in answer.trace if isinstance(event, ChunkRead) and event.found]
    assert found == [(0, MOVES[0]), (2, MOVES[2])]
    assert sum(note.usage.calls for note in notes) == answer.usage.calls - 1


@settings(max_examples=12, deadline=None)
@given(window=st.integers(420, 1500), note_tokens=st.integers(5, 60), words=st.integers(1, 200))
async def test_every_call_fits_the_window_and_no_note_is_cut_for_it(window: int, note_tokens: int, words: int) -> None:
    model = scripted(lambda part, note: "so it goes on. " * words, lambda prompt: told("x"), window)
    options = {"note_tokens": note_tokens, "answer_tokens": 40}  # parts as large as the window allows
    answer = await RunningNote(model, settings=options).run(QUESTION, SHARED)
    assert answer.text == "x"
    assert not any("cut to fit the window" in warning for warning in answer.warnings)
    for call in model.calls:
        assert sum(count_words(message.content) + 4 for message in call.messages) + call.max_tokens <= window


SHARED = Corpus.from_texts({f"chapter {n}": "o a b c d e f. " * 300 for n in range(3)})
"""Many more words than the estimate expects, so that parts fill the window to the brim."""


async def test_a_window_without_room_is_refused_before_any_call() -> None:
    model = scripted(keeps_moves, lambda prompt: told("x"), window=300)
    with pytest.raises(UsageError, match="the smallest window that works"):
        await RunningNote(model).run(QUESTION, SHARED)
    assert model.calls == []


def test_wrong_settings_are_refused() -> None:
    model = scripted(keeps_moves, lambda prompt: "")
    with pytest.raises(UsageError, match="direction must be one of"):
        RunningNote(model, settings={"direction": "up"})
    with pytest.raises(UsageError, match="note_tokens must be at least 1"):
        RunningNote(model, settings={"note_tokens": 0})
