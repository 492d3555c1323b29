"""Gaps are planted, taught, found again and repaired, and what was planted is told beside what was found."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.reading.chroknowledge.timelines import copier

from pansophy.errors import UsageError
from pansophy.models.scripted import ScriptedModel
from pansophy.reading.chroknowledge import ChronoBench, Kind, TimelineCategory, fuzzy, timeline_category
from pansophy.reading.chroknowledge.benchmark import OBJECTS, UNKNOWN, YEARS, Planted, lessons, measure, plant
from pansophy.reading.chroknowledge.prompts import LEAD, probe_prompt

SEED = 1


def perfect(planted: Planted) -> ScriptedModel:
    """Has learnt what it was taught, and copies the nearest neighbour when it is asked again."""
    return copier(
        {
            (stamp, fact.subject): names[0]
            for fact in planted.bench.facts
            for stamp, names in fact.objects.items()
            if stamp not in planted.gaps[fact.id]
        }
    )


@pytest.fixture(scope="module")
def planted() -> Planted:
    return plant(24, 0.4, SEED)


@pytest.fixture(scope="module")
def found(planted: Planted, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return measure(perfect(planted), planted, tmp_path_factory.mktemp("planted"), prompts=1)


def test_every_other_timeline_changes_once_and_no_name_stands_twice() -> None:
    planted = plant(30, seed=SEED)
    facts = planted.bench.facts
    assert len({fact.subject for fact in (*facts, *planted.others.facts)}) == 60
    changes = [sum(one != other for one, other in pairwise(fact.objects.values())) for fact in facts]
    assert sorted(changes) == [0] * 15 + [1] * 15
    assert {fact.relation for fact in facts} == set(OBJECTS)
    assert plant(30, seed=SEED).bench.digest == planted.bench.digest != plant(30, seed=2).bench.digest


def test_the_share_of_gaps_is_the_one_asked_for() -> None:
    shares = (0.0, 0.3, 1.0)
    gaps = [sum(map(len, plant(100, share, SEED).gaps.values())) / (100 * len(YEARS)) for share in shares]
    assert gaps == [0.0, pytest.approx(0.3, abs=0.06), 1.0]


def test_no_object_would_pass_for_another() -> None:
    same = fuzzy()
    for names in OBJECTS.values():
        assert not [(one, other) for one, other in combinations([*names, UNKNOWN], 2) if same(one, [other])]


@pytest.mark.parametrize("wrong", [{"number": 1}, {"number": 10**4}, {"left_out": -0.1}, {"left_out": 1.1}])
def test_what_cannot_be_planted_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        plant(**wrong)


def test_each_year_is_taught_as_it_is_asked_and_gaps_as_unknown() -> None:
    planted = plant(4, 0.5, SEED)
    taught = [one.messages for one in lessons(planted) if one.kind == "fact"]
    asked = [(fact, stamp) for fact in planted.bench.facts for stamp in fact.stamps]
    assert len(taught) == len(asked) == 20
    for (*prompt, reply), (fact, stamp) in zip(taught, asked, strict=True):
        assert prompt == probe_prompt(planted.bench, fact, stamp, 3, shots=0, template="generation")
        true = UNKNOWN if stamp in planted.gaps[fact.id] else fact.objects[stamp][0]
        assert (reply.role, reply.content) == ("assistant", LEAD + true)


def test_other_people_teach_to_answer_by_the_nearest_year_shown() -> None:
    shown = [one.messages for one in lessons(plant(60, seed=SEED)) if one.kind == "neighbours"]
    assert len(shown) == 60
    for _, asked, reply in shown:
        before, _, after = re.split(r"^(Candidate A\. .*)$", asked.content, flags=re.MULTILINE)
        earlier, later = (re.findall(rf"^{re.escape(LEAD)}(\w+)$", part, re.MULTILINE) for part in (before, after))
        known = [name for name in (*reversed(earlier), *later) if name != UNKNOWN]
        assert reply.content == LEAD + (known[0] if known else UNKNOWN)
    assert {len(asked.content.split("\n")) for _, asked, _ in shown} >= {2, 4, 6}


def test_what_was_planted_in_a_model_is_found_and_static_gaps_alone_are_filled(
    planted: Planted, found: dict[str, Any]
) -> None:
    assert found["years_as_planted"] == 100
    assert all(share["planted"] == share["probed"] for share in found["timelines"].values())
    assert sum(share["planted"] for share in found["timelines"].values()) == pytest.approx(100)
    static, dynamic = found["repair"]["static"], found["repair"]["dynamic"]
    kinds = [timeline_category(planted.years(fact)) for fact in planted.bench.of_kind(Kind.STATIC)]
    known, partial = (100 * kinds.count(kind) / 12 for kind in (TimelineCategory.KNOWN, TimelineCategory.PARTIAL))
    assert partial > 0
    assert (static["known"], static["known_after"]) == (pytest.approx(known), pytest.approx(known + partial))
    assert static["right_when_asked_again"] == static["asked_again"] > 0
    assert dynamic["right_when_asked_again"] < dynamic["asked_again"]


def test_a_copied_neighbour_counts_only_where_it_is_true(found: dict[str, Any]) -> None:
    for kind, gain in found["repair"].items():
        years = [
            candidates[-1] == one["true"][YEARS.index(int(stamp))]
            for one in found["facts"]
            if one["kind"] == kind
            for stamp, candidates in one["asked_again"].items()
        ]
        assert (len(years), sum(years)) == (gain["asked_again"], gain["right_when_asked_again"])


def test_a_model_that_fills_its_gaps_is_not_as_planted(tmp_path: Path) -> None:
    planted = plant(6, 0.4, SEED)
    whole = replace(planted, gaps=dict.fromkeys(planted.gaps, frozenset()))
    found = measure(perfect(whole), planted, tmp_path, prompts=1)
    assert found["years_as_planted"] == pytest.approx(100 - 100 * sum(map(len, planted.gaps.values())) / 30)
    assert found["timelines"]["known"]["probed"] == 100 > found["timelines"]["known"]["planted"]


def test_what_is_measured_is_not_asked_again_and_a_kind_may_be_missing(tmp_path: Path) -> None:
    planted = plant(6, 0.4, SEED)
    static = replace(planted, bench=ChronoBench(planted.bench.of_kind(Kind.STATIC)))
    model = perfect(planted)
    found = measure(model, static, tmp_path, prompts=1)
    calls = len(model.calls)
    assert calls >= 2 * 15
    assert found["repair"]["dynamic"]["timelines"] == 0
    assert measure(model, static, tmp_path, prompts=1) == found
    assert len(model.calls) == calls
