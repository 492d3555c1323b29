"""ChroKnowPrompt asks in the paper's order, and repairs what neighbours can repair and nothing else."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from tests.reading.chroknowledge.timelines import bench_of, copier, is_repair, probed

from pansophy.errors import UsageError
from pansophy.models.scripted import ScriptedModel
from pansophy.reading.chroknowledge import (
    ChroKnowPrompter,
    ProbedFact,
    Repair,
    TimelineCategory,
    TimelineProbe,
    YearCategory,
)
from pansophy.reading.chroknowledge.prompter import most_calls
from pansophy.reading.chroknowledge.prompts import (
    FIRST_ROLE,
    LATER_ROLE,
    candidate_in,
    probed_answer,
    without_opener,
)

KNOWN = TimelineCategory.KNOWN


async def trace(one: ProbedFact, replies: Sequence[str], **spans: int) -> tuple[list[str], Repair, ScriptedModel]:
    """The user messages of a repair, what came of it, and the model."""
    model = ScriptedModel(replies)
    found = await ChroKnowPrompter(model, **spans).repair(one)
    return [call.messages[-1].content for call in model.calls], found, model


async def test_earlier_years_come_one_by_one_before_the_target_then_later_ones_after_it() -> None:
    one = probed("ccxc", objects=["Orbit", "Orbit", "Orbit", "Tin"])
    prompts, found, model = await trace(one, ["A. lark", "A. orbit", "Sure! The answer is Orbit"])
    assert prompts == [
        "In 2011, Ada, employer, [Object]\nA. orbit\nIn 2012, Ada, employer, [Object]\nCandidate A. [Object]",
        "In 2010, Ada, employer, [Object]\nA. orbit\nIn 2011, Ada, employer, [Object]\nA. orbit\n"
        "In 2012, Ada, employer, [Object]\nCandidate A. lark",
        "In 2010, Ada, employer, [Object]\nA. orbit\nIn 2011, Ada, employer, [Object]\nA. orbit\n"
        "In 2012, Ada, employer, [Object]\nCandidate A. orbit\nIn 2013, Ada, employer, [Object]\nA. tin",
    ]
    assert [call.messages[0].content for call in model.calls] == [FIRST_ROLE, LATER_ROLE, LATER_ROLE]
    assert {call.temperature for call in model.calls} == {0.0}
    year = found.years[0]
    assert (year.stamp, year.candidates, year.earlier) == ("2012", ("lark", "orbit", "orbit"), 2)
    assert year.known
    assert year.known_by_earlier
    assert found.category is found.category_by_earlier is KNOWN


async def test_a_span_ends_after_three_years_and_may_be_shorter() -> None:
    one = probed("cccccxcccccc")
    prompts, found, _ = await trace(one, ["A. x"] * 6)
    assert len(prompts) == 6
    assert prompts[-1].split("\n")[0::2] == [f"In {year}, Ada, employer, [Object]" for year in range(2012, 2019)]
    assert found.years[0].earlier == 3
    prompts, found, _ = await trace(one, ["A. x"], prev=0, next=1)
    assert len(prompts) == 1
    assert found.years[0].earlier == 0
    assert not found.years[0].known_by_earlier


async def test_without_a_usable_earlier_year_only_later_ones_are_shown() -> None:
    prompts, found, _ = await trace(probed("xxcxc", said="lark"), ["A. orbit mills"] * 9, prev=3, next=1)
    assert prompts[0] == (
        "In 2010, Ada, employer, [Object]\nCandidate A. [Object]\nIn 2011, Ada, employer, [Object]\nA. lark"
    )  # the neighbour is incorrect; later ones are usable, so the whole span is shown
    assert prompts[1].startswith("In 2010, Ada, employer, [Object]\nA. orbit mills\nIn 2011")  # repaired: usable by now
    assert [len(year.candidates) for year in found.years] == [1, 2, 4]


async def test_incorrect_years_come_first_then_partial_2_then_partial_1() -> None:
    prompts, _, _ = await trace(probed("pqxcqxp"), ["A. z"] * 40, prev=1, next=0)
    targets = [prompt.split("\n")[-2][3:7] for prompt in prompts]
    assert targets == ["2012", "2015", "2011", "2014", "2016"]  # nothing stands before 2010


async def test_examples_are_the_models_own_answers() -> None:
    prompts, _, _ = await trace(probed("qcxc", said="Lark"), ["A. new"] * 9, prev=2, next=1)
    assert prompts[1].split("\n")[:2] == [
        "In 2010, Ada, employer, [Object]",
        "A. orbit mills",  # not correct: what it sampled most, not its greedy Lark
    ]
    prompts, _, _ = await trace(probed("cxcqc", said="Lark"), ["A. new"] * 9, prev=1, next=0)
    assert prompts[1].split("\n")[:2] == ["In 2012, Ada, employer, [Object]", "A. orbit mills"]
    prompts, _, _ = await trace(probed("xxcxc"), ["nothing"] * 40, prev=1, next=1)
    assert prompts[0].endswith("In 2011, Ada, employer, [Object]\nA. none")  # it never said anything


async def test_fill_in_questions_are_asked_in_their_own_words() -> None:
    plain = probed("cxc")
    asked = {stamp: f"notice {stamp[-1]} is given within [Object]" for stamp in plain.fact.stamps}
    prompts, _, _ = await trace(replace(plain, fact=replace(plain.fact, questions=asked)), ["A. z"] * 2)
    assert prompts[0] == (
        "In 2010, notice 0 is given within [Object]\nA. orbit mills\n"
        "In 2011, notice 1 is given within [Object]\nCandidate A. [Object]"
    )


async def test_an_empty_reply_keeps_the_candidate_and_case_alone_changes_none() -> None:
    model = ScriptedModel(
        lambda messages, schema: "A. ORBIT MILLS" if "Candidate A. orbit" in messages[-1].content else "A. orbit mills"
    )
    found = await ChroKnowPrompter(model).repair(probed("cxc"))
    assert found.years[0].candidates == ("orbit mills", "orbit mills")


@pytest.mark.parametrize("categories", ["ccc", "xxx", "ccxx", "xcc", "ppx", "x", "c"])
async def test_only_partial_timelines_are_touched(categories: str) -> None:
    one = probed(categories)
    prompts, found, _ = await trace(one, [])
    assert prompts == []
    assert found == Repair(one)
    assert found.category is one.category


def slow_trace(one: ProbedFact, reply: Any) -> tuple[list[list[str]], dict[str, list[str]]]:
    """The paper's procedure once more, with plain lists: its prompts' lines and each year's candidates."""
    stamps = [year.stamp for year in one.years]
    prompts: list[list[str]] = []
    chrono: dict[str, list[str]] = {}

    def example(place: int) -> list[str]:
        year = one.years[place]
        if chrono.get(year.stamp):
            said = Counter(chrono[year.stamp]).most_common(1)[0][0]
        elif year.category == "correct":
            said = Counter(year.greedy).most_common(1)[0][0]
        else:
            said = Counter(year.sampled).most_common(1)[0][0] if year.sampled else "None"
        return [f"In {year.stamp}, Ada, employer, [Object]", "A. " + said.lower()]

    for wanted in ("incorrect", "partial_correct2", "partial_correct1"):
        for place, year in enumerate(one.years):
            if year.category != wanted:
                continue
            good = [other.category != "incorrect" or other.stamp in chrono for other in one.years]
            if not any(good[:place]) and not any(good[place + 1 :]):
                continue
            before: list[str] = []
            after: list[str] = []
            candidates: list[str] = []
            steps = []
            if any(good[:place]):
                steps += [other for other in (place - 1, place - 2, place - 3) if other >= 0]
            if any(good[place + 1 :]):
                steps += [other for other in (place + 1, place + 2, place + 3) if other < len(stamps)]
            for other in steps:
                if other < place:
                    before = example(other) + before
                else:
                    after = after + example(other)
                current = candidates[-1] if candidates else "[Object]"
                prompt = [*before, f"In {year.stamp}, Ada, employer, [Object]", f"Candidate A. {current}", *after]
                prompts.append(prompt)
                new = reply(prompt)
                candidates.append(new if new.lower() != current.lower() else current)
            chrono[year.stamp] = candidates
    return prompts, chrono


async def test_prompts_of_three_hundred_random_timelines() -> None:
    source = random.Random(300)
    asked = 0
    for _ in range(300):
        length = source.randint(2, 9)
        one = probed(
            "".join(source.choices("cpqx", [3, 1, 1, 3], k=length)),
            objects=source.choices(["Orbit", "Tin", "Lark"], k=length),
            said=source.choice(["", "Quarry"]),
        )

        def reply(lines: Sequence[str]) -> str:
            return random.Random("\n".join(lines)).choice(["orbit", "Orbit", "tin", "lark"])

        model = ScriptedModel(lambda messages, schema: "A. " + reply(messages[-1].content.split("\n")))
        found = await ChroKnowPrompter(model).repair(one)
        prompts, chrono = slow_trace(one, reply) if one.category is TimelineCategory.PARTIAL else ([], {})
        assert [call.messages[-1].content.split("\n") for call in model.calls] == prompts
        assert {year.stamp: list(year.candidates) for year in found.years} == chrono
        assert len(prompts) <= most_calls([one])
        asked += len(prompts)
    assert asked > 1000


def memory_of(timelines: dict[str, Sequence[str]], gaps: dict[str, str]) -> dict[tuple[str, str], str]:
    return {
        (str(2010 + place), who): name
        for who, names in timelines.items()
        for place, (name, known) in enumerate(zip(names, gaps[who], strict=True))
        if known == "c"
    }


async def repaired(timelines: dict[str, Sequence[str]], gaps: dict[str, str], **options: Any) -> dict[str, Repair]:
    """Probe and repair with a model that has forgotten the years marked x."""
    model = copier(memory_of(timelines, gaps), **options)
    probe, prompter = TimelineProbe(model, bench_of(timelines)), ChroKnowPrompter(model)
    return {fact.subject: await prompter.repair(await probe.fact(fact)) for fact in probe.bench.facts}


async def test_a_model_that_needs_a_neighbour_gets_all_gaps_of_static_facts_back() -> None:
    gaps = {"Ada": "cxcxc", "Flo": "xxcxx", "Gus": "cxxxc", "Hal": "xcxcx"}
    timelines = {who: ["Orbit Mills"] * 5 for who in gaps}
    found = await repaired(timelines, gaps)
    assert {one.probed.category for one in found.values()} == {TimelineCategory.PARTIAL}
    assert all(year.known for one in found.values() for year in one.years)
    assert {one.category for one in found.values()} == {KNOWN}
    assert found["Ada"].category_by_earlier is KNOWN
    assert found["Flo"].category_by_earlier is TimelineCategory.PARTIAL  # its first years need later ones


async def test_a_model_that_ignores_what_it_is_shown_gains_nothing() -> None:
    timelines = {who: ["Orbit Mills"] * 4 for who in ("Ada", "Flo")}
    memory = memory_of(timelines, {"Ada": "cxxc", "Flo": "xcxc"})

    def reply(messages: Any, schema: Any) -> str:
        if is_repair(messages):
            return "A. nobody"
        stamp, who = messages[-1].content.removeprefix("In ").split(", ")[:2]
        return "A. " + memory.get((stamp, who), "nobody")

    model = ScriptedModel(reply)
    probe, prompter = TimelineProbe(model, bench_of(timelines)), ChroKnowPrompter(model)
    found = [await prompter.repair(await probe.fact(fact)) for fact in probe.bench.facts]
    assert sum(one.category is KNOWN for one in found) == sum(one.probed.category is KNOWN for one in found) == 0
    assert [len(one.years) for one in found] == [2, 2]  # it was asked, and said the same


async def test_copying_a_neighbour_is_no_success_in_the_year_of_a_change() -> None:
    found = await repaired({"Ada": ["Orbit Mills", "Orbit Mills", "Quarry Bank", "Tin Sons"]}, {"Ada": "cxxc"})
    known = {year.stamp: year.known for year in found["Ada"].years}
    assert known == {"2011": True, "2012": False}
    assert found["Ada"].category is TimelineCategory.PARTIAL


async def test_shuffling_the_facts_leaves_every_repaired_answer_unchanged() -> None:
    source = random.Random(6)
    timelines, gaps = {}, {}
    for number in range(24):
        names = source.sample(["Orbit Mills", "Tin Sons", "Quarry Bank", "Lark Press"], 2)
        timelines[f"P{number}"] = source.choice([names[:1] * 5, names[:1] * 3 + names[1:] * 2])
        gaps[f"P{number}"] = "".join(source.choices("cx", [2, 1], k=5))
    order = list(timelines)
    source.shuffle(order)
    found, shuffled = await repaired(timelines, gaps), await repaired({who: timelines[who] for who in order}, gaps)
    assert list(found) != list(shuffled)
    assert found == shuffled
    assert sum(len(one.years) for one in found.values()) > 10


async def test_repairs_come_back_from_json() -> None:
    _, found, _ = await trace(probed("cxcx"), ["A. orbit mills"] * 9)
    assert Repair.from_dict(found.probed, found.to_dict()) == found


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("A. Orbit Mills", "Orbit Mills"),
        ("Candidate A. Orbit Mills\nIn 2014, ...", "Orbit Mills"),
        ("Sure! Answer: Orbit Mills", "Orbit Mills"),
        ("Yes, the answer is **Orbit Mills**", "Orbit Mills"),
        ("Orbit Mills", "Orbit Mills"),
        ('"Orbit\nMills"', "Orbit Mills"),
        ("Yes", "Yes"),
        ("U.S.A. Today", "U.S.A. Today"),
        (r"A. C:\q\1 (x+)*", r"C:\q\1 (x+)"),
        ("", ""),
    ],
)
def test_answers_are_found_in_replies(reply: str, answer: str) -> None:
    assert candidate_in(reply) == answer


@pytest.mark.parametrize(
    ("reply", "answer"),
    [("A. Orbit\nIn 2014", "Orbit"), (" A. Orbit ", "Orbit"), ("Orbit", None), ("", None), ("A.", None)],
)
def test_a_probes_answer_stands_behind_its_mark(reply: str, answer: str | None) -> None:
    assert probed_answer(reply) == answer


def test_openers_are_dropped_and_names_that_begin_like_one_are_not() -> None:
    assert without_opener("Sure! Understood. Tin Sons") == "Tin Sons"
    assert without_opener("Yes Theatre") == "Yes Theatre"
    assert without_opener("Sure.") == "Sure."


def test_spans_are_not_negative() -> None:
    with pytest.raises(UsageError, match="can't be negative"):
        ChroKnowPrompter(ScriptedModel([]), prev=-1)


def test_partial_years_count_as_known_for_their_neighbours_only() -> None:
    one = probed("pcp")
    assert one.category is TimelineCategory.PARTIAL
    assert [year.category for year in one.years].count(YearCategory.CORRECT) == 1
