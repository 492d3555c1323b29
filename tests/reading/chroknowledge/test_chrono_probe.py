"""Probing asks in the paper's form, tells its calls beforehand, and never makes one twice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.reading.chroknowledge.timelines import OTHERS, asked_of, bench_of, copier, probed

from pansophy.engine import Limits
from pansophy.errors import AuthenticationFailed, BudgetExceeded, RequestRefused, RunError, UsageError
from pansophy.models.scripted import ScriptedModel
from pansophy.reading.chroknowledge import (
    ChronoBench,
    Interval,
    ProbeSettings,
    TimelineCategory,
    TimelineProbe,
    TimelineReport,
    YearCategory,
    aprobe,
    arepair,
    calls_of,
    intervals,
    probe,
    repair,
)
from pansophy.reading.chroknowledge.prompts import probe_prompt
from pansophy.types import ChatMessage

TIMELINES: dict[str, Sequence[str]] = {"Ada": ["Orbit Mills"] * 3, "Flo": ["Tin Sons", "Lark Press", "Lark Press"]}
MEMORY = {("2010", "Ada"): "Orbit Mills", ("2012", "Ada"): "Orbit Mills", ("2010", "Flo"): "Tin Sons"}


def prompt_of(template: str, draw: int = 0, shots: int = 4) -> list[ChatMessage]:
    bench = bench_of(TIMELINES)
    return probe_prompt(bench, bench.facts[1], "2011", draw, shots=shots, template=template)


def test_generation_shows_four_of_the_same_relation_and_year() -> None:
    told, *turns, asked = prompt_of("generation")
    assert told.role == "system"
    assert asked == ChatMessage("user", "In 2011, Flo, employer, [Object]")
    shown = {(one.content, other.content) for one, other in zip(turns[::2], turns[1::2], strict=True)}
    assert shown == {(f"In 2011, {who}, employer, [Object]", f"A. {name}") for who, _, name in OTHERS}
    assert {one.role for one in turns[::2]} == {"user"}
    orders = {tuple(one.content for one in prompt_of("generation", draw)) for draw in range(5)}
    assert len(orders) > 1


def test_a_choice_lists_four_options_and_its_examples_reply_with_the_right_one() -> None:
    *_, asked, reply, last = prompt_of("choice", shots=1)
    head, _, options = asked.content.partition("[Object] ")
    who = head.split(", ")[1]
    right = {name: object_ for name, _, object_ in OTHERS}[who]
    assert reply.content.endswith(f") {right}")
    assert reply.content.removeprefix("A. ") in options.split(", ")
    assert [option[:3] for option in last.content.partition("[Object] ")[2].split(", ")] == ["(a)", "(b)", "(c)", "(d)"]
    assert "Lark Press" in last.content


def test_a_statement_is_true_and_every_other_example_is_false() -> None:
    _, *turns, asked = prompt_of("true_false")
    assert asked.content == "In 2011, Flo, employer, Lark Press. True or false?"
    known = {f"In 2011, {who}, employer, {name}. True or false?" for who, _, name in OTHERS}
    for one, other in zip(turns[::2], turns[1::2], strict=True):
        assert other.content == ("A. true" if one.content in known else "A. false")
    assert [other.content for other in turns[1::2]] == ["A. true", "A. false"] * 2


def test_what_has_no_time_is_asked_without_one_and_a_question_in_its_own_words() -> None:
    bench = ChronoBench.from_triples([("zinc", "symbol", "Zn"), ("iron", "symbol", "Fe")])
    prompt = probe_prompt(bench, bench.facts[0], "", 0, shots=4, template="generation")
    assert [one.content for one in prompt[1:]] == ["iron, symbol, [Object]", "A. Fe", "zinc, symbol, [Object]"]
    law = replace(bench.facts[0], questions={"": "The symbol of zinc is [Object]"})
    prompt = probe_prompt(bench, law, "", 0, shots=0, template="true_false")
    assert prompt[-1].content == "The symbol of zinc is Zn. True or false?"


async def test_each_year_takes_two_calls_a_prompt_and_no_more_than_was_told() -> None:
    model = copier(MEMORY)
    probing = TimelineProbe(model, bench_of(TIMELINES))
    found = [await probing.fact(fact) for fact in probing.bench.facts]
    assert len(model.calls) == probing.calls == calls_of(probing.bench) == 6 * 5 * 2
    assert [call.temperature for call in model.calls[:10]] == [0.0] * 5 + [0.7] * 5
    assert [call.seed for call in model.calls[5:10]] == [42, 43, 44, 45, 46]
    assert {call.max_tokens for call in model.calls} == {50}
    assert [[year.category for year in one.years] for one in found] == [
        [YearCategory.CORRECT, YearCategory.INCORRECT, YearCategory.CORRECT],
        [YearCategory.CORRECT, YearCategory.INCORRECT, YearCategory.INCORRECT],
    ]
    assert [one.category for one in found] == [TimelineCategory.PARTIAL, TimelineCategory.CUT_OFF]


async def test_empty_and_formless_replies_are_no_answers_and_are_counted() -> None:
    model = ScriptedModel(lambda messages, schema: "" if asked_of(messages)[0] == "2010" else "I think: Orbit Mills")
    found = await TimelineProbe(model, bench_of({"Ada": ["Orbit Mills"] * 2}), ProbeSettings(prompts=2)).fact(
        bench_of({"Ada": ["Orbit Mills"] * 2}).facts[0]
    )
    assert [(year.greedy, year.sampled, year.formless) for year in found.years] == [((), (), 4)] * 2
    assert found.category is TimelineCategory.UNKNOWN


async def test_warm_answers_alone_make_a_year_partly_known() -> None:
    warm: list[float] = []

    class Wavering:
        identity = "wavering"

        async def sample(self, messages: Any, *, temperature: float, **asked: Any) -> Any:
            from pansophy.conflicts.sampling import Sample

            warm.append(temperature)
            return [Sample("A. Orbit Mills" if temperature else "A. nobody")]

    bench = bench_of({"Ada": ["Orbit Mills"] * 2})
    found = await TimelineProbe(Wavering(), bench).fact(bench.facts[0])
    assert {year.category for year in found.years} == {YearCategory.PARTIAL_2}
    assert len(warm) == 20


async def test_a_folder_is_gone_on_with_and_no_call_is_made_twice(tmp_path: Path) -> None:
    bench = bench_of(TIMELINES)
    model = copier(MEMORY)
    said: list[str] = []
    with pytest.raises(BudgetExceeded):
        await aprobe(model, bench, tmp_path / "out", limits=Limits(max_calls=17), say=said.append)
    assert said == ["probe: 6 stamps x 5 prompts x 2 = 60 calls, less those made"]
    assert len(model.calls) == 17
    report = await aprobe(model, bench, tmp_path / "out")
    assert len(model.calls) == 60  # the seven of a year that was broken off are kept too
    assert report.share(TimelineCategory.PARTIAL) == report.share(TimelineCategory.CUT_OFF) == 0.5
    again = await aprobe(model, bench, tmp_path / "out")
    assert len(model.calls) == 60
    assert again == report
    with pytest.raises(RunError, match="settings"):
        await aprobe(model, bench, tmp_path / "out", settings=ProbeSettings(prompts=2))


async def test_repair_probes_what_is_left_and_reports_the_gain(tmp_path: Path) -> None:
    model = copier(MEMORY)
    report = await arepair(model, bench_of(TIMELINES), tmp_path / "out", at_once=3)
    assert len(model.calls) == 60 + 2
    assert report.gain == 50
    assert "| all | 2 | 0.0 [0.0, 0.0] | 50.0 [0.0, 100.0] | +50.0 [+0.0, +100.0] | +50.0" in report.markdown()
    await arepair(model, bench_of(TIMELINES), tmp_path / "out")
    assert len(model.calls) == 62
    lines = [json.loads(line) for line in (tmp_path / "out" / "facts.jsonl").read_text().splitlines()]
    assert [(one["category"], one["category_after"]) for one in lines] == [
        ("partial_known", "known"),
        ("cut_off", "cut_off"),
    ]
    assert lines[1]["true"] == [
        {"answer": "Tin Sons", "start": "2010", "end": "2010"},
        {"answer": "Lark Press", "start": "2011", "end": "2012"},
    ]
    assert lines[0]["said_after"] == [{"answer": "Orbit Mills", "start": "2010", "end": "2012"}]
    page = (tmp_path / "out" / "report.html").read_text()
    assert "2011: incorrect; says nobody, true is Orbit Mills; right when asked again" in page
    with pytest.raises(RunError, match="prev"):
        await arepair(model, bench_of(TIMELINES), tmp_path / "out", prev=1)


async def test_a_year_that_fails_leaves_its_fact_out_and_is_tried_again(tmp_path: Path) -> None:
    broken = True

    def reply(messages: Any, schema: Any) -> Any:
        if broken and asked_of(messages) == ("2011", "Flo"):
            return RequestRefused("no")
        return "A. Orbit Mills"

    model = ScriptedModel(reply)
    report = await aprobe(model, bench_of(TIMELINES), tmp_path, at_once=2)
    assert [one.fact.subject for one in report.probed] == ["Ada"]
    assert report.failed == 1
    assert "left out: 1" in report.markdown()
    broken = False
    before = len(model.calls)
    report = await aprobe(model, bench_of(TIMELINES), tmp_path)
    assert [one.fact.subject for one in report.probed] == ["Ada", "Flo"]
    assert len(model.calls) - before <= 10


async def test_what_stops_every_call_stops_the_probe(tmp_path: Path) -> None:
    model = ScriptedModel(lambda messages, schema: AuthenticationFailed("no key"))
    with pytest.raises(AuthenticationFailed):
        await aprobe(model, bench_of(TIMELINES), tmp_path, at_once=4)


async def test_rows_without_any_fact_are_no_report(tmp_path: Path) -> None:
    model = ScriptedModel(lambda messages, schema: RequestRefused("no"))
    with pytest.raises(RunError, match="no fact yet"):
        await aprobe(model, bench_of(TIMELINES), tmp_path)


async def test_too_few_examples_are_told(tmp_path: Path) -> None:
    said: list[str] = []
    bench = ChronoBench.from_triples([("Ada", "seat", "Bath", 2010, 2011), ("Bo", "seat", "York", 2011, 2011)])
    await aprobe(ScriptedModel(lambda messages, schema: "A. Bath"), bench, tmp_path, say=said.append)
    assert said[1] == "warning: 3 stamps have fewer than 4 other facts to show as examples"


async def test_letters_and_truth_values_are_probed_but_not_repaired(tmp_path: Path) -> None:
    model = ScriptedModel(lambda messages, schema: "A. true")
    settings = ProbeSettings(template="true_false")
    report = await aprobe(model, bench_of(TIMELINES), tmp_path / "a", settings=settings)
    assert report.share(TimelineCategory.KNOWN) == 1
    with pytest.raises(UsageError, match="can be repaired"):
        await arepair(model, bench_of(TIMELINES), tmp_path / "b", settings=settings)
    assert len(model.calls) == 60  # refused before it is paid for


def test_three_lines_do_and_an_event_loop_is_told_of(tmp_path: Path) -> None:
    model = copier(MEMORY)
    assert probe(model, bench_of(TIMELINES), tmp_path).gain == 0
    assert repair(model, bench_of(TIMELINES), tmp_path).gain == 50


async def test_inside_a_loop_the_coroutines_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="await aprobe"):
        probe(copier(MEMORY), bench_of(TIMELINES), tmp_path)


@pytest.mark.parametrize(
    "wrong",
    [{"template": "song"}, {"prompts": 0}, {"shots": -1}, {"temperature": 0}, {"threshold": 0}, {"threshold": 101}],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        ProbeSettings(**wrong)


def test_intervals_end_where_the_answer_changes_or_years_are_left_out() -> None:
    said = [("2010", "Tin"), ("2011", "TIN"), ("2013", "Tin"), ("2014", "Orbit")]
    assert intervals(said) == [
        Interval("Tin", "2010", "2011"),
        Interval("Tin", "2013", "2013"),
        Interval("Orbit", "2014", "2014"),
    ]
    assert intervals([("1.9", "rt"), ("1.10", "rt")]) == [Interval("rt", "1.9", "1.10")]
    assert [str(one) for one in intervals([("", "Zn")])] == ["Zn"]
    assert [str(one) for one in intervals(said)][:2] == ["Tin 2010-2011", "Tin 2013"]


def test_markup_in_names_is_escaped() -> None:
    from pansophy.reading.chroknowledge.page import timelines_plot

    one = probed("cx", objects=["<b>", "<b>"], said="<script>")
    drawn = timelines_plot(TimelineReport((one,)), [one])
    assert "<script>" not in drawn
    assert "&lt;script&gt;" in drawn
