"""Map-reduce: messages with confidences, a collapse that always ends, conflicts settled by confidence."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pansophy.corpus import Corpus
from pansophy.engine import Limits
from pansophy.errors import AuthenticationFailed, EndpointUnavailable, RunFailed, UsageError
from pansophy.events import ChunkFailed, ChunkRead, NoteWritten
from pansophy.models import ScriptedModel
from pansophy.models.scripted import ScriptedCall, count_words
from pansophy.reading.map_reduce import MapReduce
from pansophy.reading.map_reduce.collapse import group_neighbours, most_confident
from pansophy.reading.map_reduce.messages import MAP_SYSTEM, MERGE_SYSTEM, REDUCE_SYSTEM, Message
from pansophy.types import ChatMessage, Verdict

QUESTION = "When was the bridge built?"
NOTHING = json.dumps({"information": "", "rationale": "", "answer": "", "confidence": 0})
FILLER = "The river is wide here and the ferry is slow. "


def report(information: str, answer: str, confidence: float) -> str:
    fields = {"information": information, "rationale": "it says so", "answer": answer, "confidence": confidence}
    return json.dumps(fields)


def reduced(answer: str, *messages: int, answerable: bool = True) -> str:
    return json.dumps({"answerable": answerable, "answer": answer, "messages": list(messages)})


def text_of(messages: Sequence[ChatMessage]) -> str:
    return messages[-1].content


def stage(call: ScriptedCall | Sequence[ChatMessage]) -> str:
    messages = call.messages if isinstance(call, ScriptedCall) else call
    return {MAP_SYSTEM: "map", MERGE_SYSTEM: "merge", REDUCE_SYSTEM: "reduce"}[messages[0].content]


class Script:
    """Replies by stage; `map` is given the part, `merge` and `reduce` the prompt."""

    def __init__(self, mapped: Any, reduce: Any = None, merge: Any = None) -> None:
        self.by_stage = {"map": mapped, "reduce": reduce, "merge": merge}

    def __call__(self, messages: Sequence[ChatMessage], schema: Any) -> Any:
        return self.by_stage[stage(messages)](text_of(messages))


def corpus_of(*facts: str) -> Corpus:
    """A document of a page's length for each fact."""
    return Corpus.from_texts({f"part {n}": f"{fact} {FILLER * 8}" for n, fact in enumerate(facts)})


def model_of(script: Script, window: int = 8192) -> ScriptedModel:
    return ScriptedModel(script, window=window)


PAGE = {"chunk_tokens": 140}


async def test_parts_are_read_apart_and_the_surer_report_wins_with_its_source() -> None:
    corpus = corpus_of("The bridge was built in 1901.", "Nothing of note.", "Some think the bridge is from 1899.")

    def mapped(part: str) -> str:
        if "1901" in part:
            return report("The bridge was built in 1901.", "1901", 5)
        return report("Some think the bridge is from 1899.", "1899", 2) if "1899" in part else NOTHING

    def reduce(prompt: str) -> str:
        found = re.findall(r"\[(\d+)\] confidence ([\d.]+)\n.*?answer: (\d+)", prompt, re.DOTALL)
        number, _, answer = max(found, key=lambda one: float(one[1]))
        assert [one[1:] for one in found] == [("5", "1901"), ("2", "1899")]
        return reduced(answer, int(number))

    model = model_of(Script(mapped, reduce))
    answer = await MapReduce(model, settings=PAGE).run(QUESTION, corpus)
    assert (answer.text, answer.verdict) == ("1901", Verdict.ANSWERED)
    assert [stage(call) for call in model.calls] == ["map", "map", "map", "reduce"]
    assert [(item.document, item.quote, item.rating, item.cited) for item in answer.evidence] == [
        ("part 0", "The bridge was built in 1901.", 100.0, True),
        ("part 2", "Some think the bridge is from 1899.", 40.0, False),
    ]
    for item in answer.evidence:
        assert corpus.document(item.document).text[item.start : item.end] == item.quote
    reads = [event for event in answer.trace if isinstance(event, ChunkRead)]
    assert sorted((event.chunk, event.found, event.rating) for event in reads) == [
        (0, True, 100.0),
        (1, False, 0.0),
        (2, True, 40.0),
    ]


async def test_the_part_comes_first_and_is_the_same_for_every_question() -> None:
    corpus = corpus_of("The bridge was built in 1901.")
    model = model_of(Script(lambda part: NOTHING))
    for question in (QUESTION, "Who paid for it?"):
        await MapReduce(model, settings=PAGE).run(question, corpus)
    first, second = (text_of(call.messages) for call in model.calls)
    part = corpus.document("part 0").text.strip()
    assert first.startswith(f"<text>\n# part 0\n{part}")
    shared = len("<text>\n# part 0\n") + len(part)
    assert first[:shared] == second[:shared]
    assert first.endswith(f"Question: {QUESTION}")


async def test_a_longer_question_gets_the_same_parts_where_the_window_bounds_them() -> None:
    corpus = Corpus.from_texts({f"paragraph {n}": f"Paragraph {n}. {FILLER}" for n in range(300)})

    async def parts(question: str) -> list[str]:
        model = model_of(Script(lambda prompt: NOTHING), window=2048)
        await MapReduce(model).run(question, corpus)
        return [text_of(call.messages).rpartition("</text>")[0] for call in model.calls if stage(call) == "map"]

    short = await parts("When was the bridge built?")
    assert len(short) > 1
    assert await parts("When was the bridge built, and who was the mayor of the town at that time?") == short


async def test_parts_without_anything_never_reach_the_reduce_prompt_and_nothing_is_invented() -> None:
    model = model_of(Script(lambda part: NOTHING))
    answer = await MapReduce(model, settings=PAGE).run(QUESTION, corpus_of("a", "b", "c"))
    assert (answer.text, answer.verdict) == ("", Verdict.NOTHING_FOUND)
    assert {stage(call) for call in model.calls} == {"map"}


async def test_a_failing_part_is_reported_and_the_others_are_read() -> None:
    def mapped(part: str) -> Any:
        if "part 1" in part:
            return EndpointUnavailable("broken off")
        return report("The bridge was built in 1901.", "1901", 5) if "1901" in part else NOTHING

    corpus = corpus_of("The bridge was built in 1901.", "x", "y")
    script = Script(mapped, lambda prompt: reduced("1901", 1))
    answer = await MapReduce(model_of(script), settings=PAGE, limits=Limits(attempts=1)).run(QUESTION, corpus)
    assert answer.text == "1901"
    assert [(failed.document, failed.error) for failed in answer.failed_chunks] == [("part 1", "broken off")]
    assert [event.chunk for event in answer.trace if isinstance(event, ChunkFailed)] == [1]


async def test_a_reply_that_is_no_report_is_a_failed_part_not_an_empty_one() -> None:
    script = Script(lambda part: "I would rather not." if "part 0" in part else NOTHING)
    answer = await MapReduce(model_of(script), settings=PAGE).run(QUESTION, corpus_of("a", "b"))
    assert answer.verdict is Verdict.NOTHING_FOUND
    assert [failed.document for failed in answer.failed_chunks] == ["part 0"]


async def test_if_every_part_fails_the_run_fails_with_the_first_cause() -> None:
    script = Script(lambda part: EndpointUnavailable("broken off"))
    with pytest.raises(RunFailed, match="broken off"):
        await MapReduce(model_of(script), settings=PAGE, limits=Limits(attempts=1)).run(QUESTION, corpus_of("a", "b"))


async def test_a_wrong_key_is_not_tried_on_every_part() -> None:
    model = model_of(Script(lambda part: AuthenticationFailed("wrong key")))
    with pytest.raises(RunFailed, match="wrong key"):
        await MapReduce(model, settings=PAGE, limits=Limits(concurrency=1)).run(QUESTION, corpus_of(*"abcdefgh"))
    assert len(model.calls) == 1


async def test_a_refusal_is_followed_by_a_forced_answer_or_by_nothing() -> None:
    def reduce(prompt: str) -> str:
        return reduced("", answerable=False) if "answerable" in prompt else reduced("about 1900", 1)

    script = Script(lambda part: report("The bridge is old.", "", 3), reduce)
    corpus = corpus_of("The bridge is old.")
    answer = await MapReduce(model_of(script), settings=PAGE).run(QUESTION, corpus)
    assert (answer.text, answer.verdict) == ("about 1900", Verdict.FORCED)
    answer = await MapReduce(model_of(script), settings={**PAGE, "force": False}).run(QUESTION, corpus)
    assert (answer.text, answer.verdict) == ("", Verdict.NOTHING_FOUND)


async def test_reports_that_do_not_exist_are_left_out_of_the_citations_and_named_in_a_warning() -> None:
    script = Script(lambda part: report("The bridge is old.", "old", 3), lambda prompt: reduced("old", 1, 7, 0, -1))
    answer = await MapReduce(model_of(script), settings=PAGE).run(QUESTION, corpus_of("The bridge is old."))
    assert len(answer.citations) == 1
    assert any("don't exist" in warning for warning in answer.warnings)


async def test_copied_sentences_that_stand_nowhere_are_no_evidence_but_the_part_is() -> None:
    script = Script(
        lambda part: report("It was in 1777, as everyone knows.", "1777", 4), lambda prompt: reduced("1777", 1)
    )
    corpus = corpus_of("The bridge is old.")
    answer = await MapReduce(model_of(script), settings=PAGE).run(QUESTION, corpus)
    (evidence,) = answer.evidence
    assert evidence.quote == corpus.document("part 0").text
    assert not evidence.cited


async def test_only_the_best_parts_are_read_when_told_so_but_in_the_order_of_the_text() -> None:
    corpus = corpus_of("nothing", "a bridge", "nothing", "the bridge, when built: built in May", "nothing")
    model = model_of(Script(lambda part: NOTHING))
    await MapReduce(model, settings={**PAGE, "max_chunks": 2}, limits=Limits(concurrency=1)).run(QUESTION, corpus)
    assert [text_of(call.messages).splitlines()[1] for call in model.calls] == ["# part 1", "# part 3"]


async def test_a_budget_used_up_in_the_middle_gives_the_surest_report_so_far() -> None:
    def mapped(part: str) -> str:
        return report("The bridge was built in 1901.", "1901", 5) if "1901" in part else report("x", "1899", 1)

    corpus = corpus_of("a", "The bridge was built in 1901.", "b", "c", "d")
    limits = Limits(max_calls=3, concurrency=1)
    answer = await MapReduce(model_of(Script(mapped)), settings=PAGE, limits=limits).run(QUESTION, corpus)
    assert (answer.text, answer.verdict) == ("1901", Verdict.OUT_OF_BUDGET)
    assert [item.document for item in answer.citations] == ["part 1"]


async def test_a_small_model_can_read_and_a_larger_one_reduce() -> None:
    seeker = model_of(Script(lambda part: report("The bridge is old.", "old", 3)))
    reasoner = model_of(Script(None, lambda prompt: reduced("old", 1)))
    await MapReduce(reasoner, seeker_model=seeker, settings=PAGE).run(QUESTION, corpus_of("The bridge is old.", "b"))
    assert [stage(call) for call in seeker.calls] == ["map", "map"]
    assert [stage(call) for call in reasoner.calls] == ["reduce"]


# --- collapse ---


@given(st.lists(st.integers(0, 50), max_size=40), st.integers(50, 200))
def test_groups_cover_all_neighbours_in_order_and_never_exceed_the_limit(sizes: list[int], most: int) -> None:
    groups = group_neighbours(sizes, most)
    assert [position for group in groups for position in group] == list(range(len(sizes)))
    totals = [sum(sizes[position] for position in group) for group in groups]
    assert all(total <= most for total in totals)
    for total, following in zip(totals, groups[1:], strict=False):  # greedy: the next one would not have fitted
        assert total + sizes[following[0]] > most


def test_a_message_larger_than_a_group_is_an_error_of_the_caller() -> None:
    with pytest.raises(ValueError, match="51 tokens"):
        group_neighbours([1, 51], 50)


confidences = st.lists(st.tuples(st.floats(0, 5), st.integers(1, 30)), max_size=15)


@given(confidences, st.integers(1, 100))
def test_the_most_confident_are_kept_in_the_order_of_the_text(entries: list[tuple[float, int]], most: int) -> None:
    messages = [Message("", "", "", c, (n,), tokens=t) for n, (c, t) in enumerate(entries)]
    kept = most_confident(messages, most)
    assert sum(message.tokens for message in kept) <= most
    assert [message.chunks for message in kept] == sorted(message.chunks for message in kept)
    for left_out in (message for message in messages if message not in kept):
        surer = sum(message.tokens for message in kept if message.confidence >= left_out.confidence)
        assert surer + left_out.tokens > most


def long_report(part: str) -> str:
    """Some seventy words about this part, which make the reports of many parts too long for one prompt."""
    number = int(re.findall(r"# part (\d+)", part)[0])
    return report(f"Fact {number} is this. " + "Much more could be said of it. " * 18, f"answer{number}", number % 5)


def shown_answers(prompt: str) -> list[str]:
    return re.findall(r"^answer: (\S*)$", prompt, re.MULTILINE)


async def test_neighbours_are_merged_until_the_reduce_prompt_fits_and_sources_survive() -> None:
    def merge(prompt: str) -> str:
        return report("Merged.", "+".join(shown_answers(prompt)), 4)

    model = model_of(Script(long_report, lambda prompt: reduced("ok", 1), merge), window=900)
    corpus = corpus_of(*(f"Fact {n} is this." for n in range(16)))
    options = {**PAGE, "message_tokens": 120, "answer_tokens": 60}
    answer = await MapReduce(model, settings=options).run(QUESTION, corpus)
    merges = [call for call in model.calls if stage(call) == "merge"]
    (reduce,) = [call for call in model.calls if stage(call) == "reduce"]
    assert len(merges) >= 2
    merged = "+".join(shown_answers(text_of(reduce.messages)))
    assert [int(n) for n in re.findall(r"answer(\d+)", merged)] == list(range(16))  # all, in order, once
    first = {f"part {number}" for number in re.findall(r"answer(\d+)", shown_answers(text_of(reduce.messages))[0])}
    assert [item.document for item in answer.evidence] == [f"part {n}" for n in range(16)]
    assert {item.document for item in answer.citations} == first != {f"part {n}" for n in range(16)}
    assert [event for event in answer.trace if isinstance(event, NoteWritten)]
    assert_within_window(model)


def assert_within_window(model: ScriptedModel) -> None:
    for call in model.calls:
        prompt = sum(count_words(message.content) + 4 for message in call.messages)
        assert prompt + call.max_tokens <= model.window, stage(call)


async def test_a_model_that_echoes_its_reports_cannot_keep_the_collapse_going() -> None:
    def echo(prompt: str) -> str:
        return report(prompt.split("\n</reports>")[0], "echo", 5)

    model = model_of(Script(long_report, lambda prompt: reduced("ok", 1), echo), window=900)
    corpus = corpus_of(*(f"Fact {n}." for n in range(30)))
    options = {**PAGE, "message_tokens": 400, "answer_tokens": 60}
    answer = await MapReduce(model, settings=options).run(QUESTION, corpus)
    assert answer.text == "ok"
    assert len([call for call in model.calls if stage(call) == "merge"]) < 60
    assert_within_window(model)


async def test_a_pass_of_merges_that_makes_nothing_shorter_is_the_last_one_and_the_surest_reports_are_kept() -> None:
    def short_report(part: str) -> str:
        number = int(re.findall(r"# part (\d+)", part)[0])
        return report(f"Fact {number} is this.", f"answer{number}", 5 if number == 17 else 1)

    verbose = report("Much more could be said of it. " * 18, "merged", 5)
    model = model_of(Script(short_report, lambda prompt: reduced("ok", 1), lambda prompt: verbose), window=900)
    corpus = corpus_of(*(f"Fact {n} is this." for n in range(40)))
    answer = await MapReduce(model, settings={**PAGE, "message_tokens": 450, "answer_tokens": 60}).run(QUESTION, corpus)
    merges = [text_of(call.messages) for call in model.calls if stage(call) == "merge"]
    (reduce,) = [text_of(call.messages) for call in model.calls if stage(call) == "reduce"]
    assert 2 <= len(merges) <= 8
    assert not any("merged" in shown_answers(prompt) for prompt in merges)  # one pass
    assert "answer17" in shown_answers(reduce)
    assert 10 < len(shown_answers(reduce)) < 40
    assert any(f"the {len(shown_answers(reduce))} surest of 40 were kept" in warning for warning in answer.warnings)
    assert_within_window(model)


async def test_reports_that_cannot_be_merged_are_dropped_from_the_least_sure_on_with_a_warning() -> None:
    model = model_of(Script(long_report, lambda prompt: reduced("ok", 1), lambda prompt: "no report"), window=700)
    corpus = corpus_of(*(f"Fact {n}." for n in range(20)))
    answer = await MapReduce(model, settings={**PAGE, "message_tokens": 300, "answer_tokens": 60}).run(QUESTION, corpus)
    assert answer.text == "ok"
    assert any("could not be merged" in warning for warning in answer.warnings)
    assert_within_window(model)


async def test_merges_that_find_nothing_worth_keeping_end_without_an_answer() -> None:
    model = model_of(Script(long_report, None, lambda prompt: NOTHING), window=700)
    corpus = corpus_of(*(f"Fact {n}." for n in range(20)))
    answer = await MapReduce(model, settings={**PAGE, "message_tokens": 100, "answer_tokens": 60}).run(QUESTION, corpus)
    assert answer.verdict is Verdict.NOTHING_FOUND


@settings(max_examples=12, deadline=None)
@given(
    window=st.integers(560, 1500),
    message_tokens=st.integers(20, 120),
    words=st.integers(0, 120),
    behaviour=st.sampled_from(["shrink", "echo", "garbage"]),
)
async def test_every_call_fits_the_window_and_every_run_ends(
    window: int, message_tokens: int, words: int, behaviour: str
) -> None:
    def merge(prompt: str) -> str:
        if behaviour == "garbage":
            return "garbage"
        kept = prompt.split("\n</reports>")[0] if behaviour == "echo" else "short"
        return report(kept, "x", 3)

    mapped = report("word " * words, "x", 2)
    model = model_of(Script(lambda part: mapped, lambda prompt: reduced("x", 1), merge), window=window)
    options = {**PAGE, "message_tokens": message_tokens, "answer_tokens": 40}
    answer = await MapReduce(model, settings=options, limits=Limits(attempts=1)).run(QUESTION, SHARED)
    assert answer.verdict in (Verdict.ANSWERED, Verdict.FORCED, Verdict.NOTHING_FOUND)
    assert_within_window(model)


SHARED = corpus_of(*(f"Fact {n}." for n in range(12)))


async def test_a_window_without_room_for_text_is_refused_before_any_call() -> None:
    model = model_of(Script(lambda part: NOTHING), window=330)
    with pytest.raises(UsageError, match="the smallest window that works"):
        await MapReduce(model).run(QUESTION, SHARED)
    assert model.calls == []


@pytest.mark.parametrize("setting", ["chunk_tokens", "max_chunks", "message_tokens", "answer_tokens"])
def test_settings_below_one_are_refused(setting: str) -> None:
    with pytest.raises(UsageError, match=f"{setting} must be at least 1"):
        MapReduce(model_of(Script(None)), settings={setting: 0})
