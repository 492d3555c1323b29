"""Triples become timelines: years expanded, gaps kept, options and examples drawn whatever the order of the facts."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pansophy.errors import SourceError, UsageError
from pansophy.reading.chroknowledge import ChronoBench, Kind, TimelineFact, Triple, read_triples
from pansophy.reading.chroknowledge.facts import stamp_key

ROWS: list[tuple[Any, ...]] = [
    ("Ada", "employer", "Orbit Mills", 2010, 2012),
    ("Ada", "employer", "Tin & Sons", 2012, 2014),
    ("Bo", "employer", "Quarry Bank", 2010, None),
    ("Cy", "employer", "Quarry Bank", None, 2011),
    ("Cy", "employer", "Orbit Mills", 2013, 2013),
    ("Di", "employer", "Harbour Board", "+2012-05-01T00:00:00Z", "2012-11-30"),
    ("zinc", "symbol", "Zn"),
]


def bench(**options: Any) -> ChronoBench:
    return ChronoBench.from_triples(ROWS, **options)


def fact(name: str, of: ChronoBench | None = None) -> TimelineFact:
    return next(one for one in (of or bench()).facts if one.subject == name)


def test_starts_and_ends_become_one_set_of_objects_a_year() -> None:
    assert fact("Ada").objects == {
        "2010": ("Orbit Mills",),
        "2011": ("Orbit Mills",),
        "2012": ("Orbit Mills", "Tin & Sons"),
        "2013": ("Tin & Sons",),
        "2014": ("Tin & Sons",),
    }


def test_open_bounds_reach_to_the_ends_of_the_bench_and_gaps_stay() -> None:
    assert fact("Bo").stamps == ("2010", "2011", "2012", "2013", "2014")
    assert fact("Cy").stamps == ("2010", "2011", "2013")


def test_a_fact_of_one_year_may_come_from_dates_within_it() -> None:
    assert fact("Di").objects == {"2012": ("Harbour Board",)}


def test_kinds_are_told_by_whether_objects_change() -> None:
    whole = bench()
    assert [one.subject for one in whole.of_kind(Kind.DYNAMIC)] == ["Ada", "Cy"]
    assert [one.subject for one in whole.of_kind(Kind.STATIC)] == ["Bo", "Di"]
    assert [one.subject for one in whole.of_kind(Kind.INVARIANT)] == ["zinc"]
    assert fact("zinc").stamps == ("",)


def test_a_gap_is_no_change() -> None:
    found = ChronoBench.from_triples([("Cy", "seat", "Bath", 2010, 2011), ("Cy", "seat", "Bath", 2014, 2014)])
    assert found.facts[0].kind is Kind.STATIC
    assert found.facts[0].stamps == ("2010", "2011", "2014")


def test_years_outside_of_the_asked_ones_are_left_out() -> None:
    rows = [("Ada", "seat", "Bath", 2001, 2040), ("Bo", "seat", "York", 2011, 2099)]
    found = ChronoBench.from_triples(rows, stamps=range(2010, 2013))
    assert [one.stamps for one in found.facts] == [("2010", "2011", "2012"), ("2011", "2012")]
    with pytest.raises(UsageError, match="outside of 2010 to 2012"):
        ChronoBench.from_triples([*rows, ("Cy", "seat", "Hull", 2013, 2014)], stamps=range(2010, 2013))


def test_stamps_may_be_months() -> None:
    rows = [("Ada", "seat", "Bath", "2019-11-20", "2020-01"), ("Bo", "seat", "York", "2020", "2020")]
    found = ChronoBench.from_triples(rows, stamps=["2019-11", "2019-12", "2020-01", "2020-02"])
    assert [one.stamps for one in found.facts] == [("2019-11", "2019-12", "2020-01"), ("2020-01", "2020-02")]


def test_stamps_may_be_versions_and_are_in_the_order_of_their_numbers() -> None:
    rows = [("open", "default mode", "rt", "1.2", "1.9"), ("open", "default mode", "r", "1.10", "")]
    found = ChronoBench.from_triples(rows, stamps=["1.1", "1.2", "1.9", "1.10", "1.11"])
    assert found.facts[0].objects == {"1.2": ("rt",), "1.9": ("rt",), "1.10": ("r",), "1.11": ("r",)}
    with pytest.raises(UsageError, match="name all stamps"):
        ChronoBench.from_triples(rows)
    with pytest.raises(UsageError, match="must be in order"):
        ChronoBench.from_triples(rows, stamps=["1.10", "1.9"])


def test_what_contradicts_itself_is_refused() -> None:
    with pytest.raises(UsageError, match=r"ends \(2009\) before it starts \(2012\)"):
        Triple("Ada", "seat", "Bath", "2012", "2009")
    with pytest.raises(UsageError, match="with and without a time"):
        ChronoBench.from_triples([("Ada", "seat", "Bath", 2010, 2011), ("Ada", "seat", "York")])
    with pytest.raises(UsageError, match="must have a text"):
        Triple("Ada", " ", "Bath")
    with pytest.raises(UsageError, match="not \\('Ada', 'seat'\\)"):
        ChronoBench.from_triples([("Ada", "seat")])
    with pytest.raises(UsageError, match="no fact to ask about"):
        ChronoBench.from_triples([])


def test_aliases_are_right_answers_too() -> None:
    triples = [Triple("Ada", "seat", "Bath", "2010", "2010", ("Aquae Sulis",)), Triple("Ada", "seat", "York", "2010")]
    assert ChronoBench.from_triples(triples).facts[0].gold("2010") == ("Bath", "Aquae Sulis", "York")


def test_examples_share_relation_and_stamp_and_never_the_subject() -> None:
    ada = fact("Ada")
    drawn = {one.subject for draw in range(20) for one in bench().examples(ada, "2011", draw, 1)}
    assert drawn == {"Bo", "Cy"}
    assert {one.subject for one in bench().examples(ada, "2012", 0, 4)} == {"Bo", "Di"}  # as many as there are
    assert bench().examples(fact("zinc"), "", 0, 4) == ()


def test_examples_may_be_kept_apart_from_what_is_asked() -> None:
    found = bench(examples=2)
    kept = {one.id for one in found.pool}
    assert len(kept) == 3  # the other relation has one fact only
    assert not kept & {one.id for one in found.facts}
    assert len(found.facts) == 2


def test_options_have_one_right_answer_and_no_other_right_one() -> None:
    places = set()
    for draw in range(40):
        options, right = bench().options(fact("Ada"), "2012", draw)
        places.add(right)
        assert options[right] == "Orbit Mills"
        assert sorted(options) == ["Harbour Board", "Orbit Mills", "Quarry Bank", "Zn"]  # Zn: of another relation
    assert places == {0, 1, 2, 3}
    alone = ChronoBench.from_triples([("Ada", "seat", "Bath", 2010, 2010)])
    with pytest.raises(UsageError, match="no wrong option"):
        alone.options(alone.facts[0], "2010")


@given(st.permutations(ROWS))
def test_the_order_of_rows_changes_nothing_that_is_drawn(rows: list[tuple[Any, ...]]) -> None:
    shuffled, whole = ChronoBench.from_triples(rows), bench()
    for one in whole.facts:
        other = fact(one.subject, shuffled)
        for stamp in one.stamps:
            if len(one.objects[stamp]) > 1:
                continue  # which of several objects is shown first is said by the rows' order
            assert shuffled.options(other, stamp) == whole.options(one, stamp)
            drawn = [[e.id for e in b.examples(f, stamp, 3, 2)] for b, f in ((shuffled, other), (whole, one))]
            assert drawn[0] == drawn[1]


def test_the_digest_is_of_what_is_asked_not_of_its_order() -> None:
    whole = bench()
    facts = list(whole.facts)
    random.Random(1).shuffle(facts)
    assert ChronoBench(tuple(facts)).digest == whole.digest
    assert bench(seed=1).digest != whole.digest
    assert ChronoBench(whole.facts[1:]).digest != whole.digest


def test_balanced_has_as_many_static_facts_as_dynamic_ones() -> None:
    rows = [(f"s{n}", "seat", "Bath", 2010, 2012) for n in range(9)]
    rows += [
        (f"d{n}", "seat", where, *years)
        for n in range(3)
        for where, years in (("York", (2010, 2011)), ("Hull", (2012, 2012)))
    ]
    found = ChronoBench.from_triples([*rows, ("zinc", "symbol", "Zn")]).balanced()
    assert [len(found.of_kind(kind)) for kind in Kind] == [3, 3, 1]


def test_ids_must_differ_and_stamps_be_in_order() -> None:
    one = fact("Ada")
    with pytest.raises(UsageError, match="'Ada / employer' occurs more than once"):
        ChronoBench((one, one))
    with pytest.raises(UsageError, match="must be in order"):
        TimelineFact("x", "Ada", "seat", {"2011": ("Bath",), "2010": ("Bath",)})
    with pytest.raises(UsageError, match="an object at each"):
        TimelineFact("x", "Ada", "seat", {"2011": ()})


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), min_size=2, max_size=6))
def test_versions_sort_as_pairs_of_numbers(versions: list[tuple[int, int]]) -> None:
    told = [f"v{major}.{minor}" for major, minor in sorted(versions)]
    assert sorted(told, key=stamp_key) == told


def test_csv_and_json_lines_say_the_same(tmp_path: Path) -> None:
    table = tmp_path / "facts.csv"
    table.write_text('subject,relation,object,start,end,aliases,note\nAda,seat,"Bath, Avon",2010,,Bath|Aquae Sulis,x\n')
    lines = tmp_path / "facts.jsonl"
    row = {
        "subject": "Ada",
        "relation": "seat",
        "object": "Bath, Avon",
        "start": 2010,
        "aliases": ["Bath", "Aquae Sulis"],
    }
    lines.write_text(json.dumps(row) + "\n\n")
    assert read_triples(table) == read_triples(lines)
    assert read_triples(table)[0].aliases == ("Bath", "Aquae Sulis")


def test_a_question_may_stand_for_subject_and_relation(tmp_path: Path) -> None:
    lines = tmp_path / "law.jsonl"
    row = {"subject": "§ 4", "relation": "limit", "object": "30 days", "start": 2010, "end": 2011}
    lines.write_text(json.dumps({**row, "question": "notice is given within [Object]"}) + "\n")
    assert ChronoBench.from_file(lines).facts[0].questions == dict.fromkeys(
        ("2010", "2011"), "notice is given within [Object]"
    )


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", "subject,relation\nAda,seat\n", "no column object"),
        ("a.csv", "subject,relation,object\n", "no rows"),
        ("a.csv", "", "no column subject, relation, object"),
        ("a.csv", "subject,relation,object\nAda,seat,Bath\nBo,,York\n", "line 3: there is nothing in relation"),
        ("a.csv", "subject,relation,object\nAda,seat,Bath,York\n", "line 2 has more cells"),
        ("a.csv", 'subject,relation,object\nAda,seat,"Ba"th\n', "is no CSV"),
        ("a.csv", "subject,relation,object,start,end\nA,seat,B,2012,2009\n", r"line 2: A, seat ends \(2009\)"),
        ("a.jsonl", '{"subject": "Ada"}\n{broken\n', "line 1: there is nothing in relation, object"),
        ("a.jsonl", "{broken\n", "line 1 is no JSON"),
        ("a.jsonl", "[1]\n", "line 1 is no object"),
        ("a.jsonl", '{"subject": ["Ada"], "relation": "seat", "object": "Bath"}\n', "subject must be a text"),
        ("a.jsonl", '{"subject": "A", "relation": "s", "object": "B", "aliases": 3}\n', "aliases must be texts"),
        ("a.txt", "subject\n", "neither .csv nor .jsonl"),
    ],
)
def test_a_broken_row_is_refused_with_its_line(tmp_path: Path, name: str, content: str, told: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(SourceError, match=told):
        read_triples(path)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="can't be read"):
        ChronoBench.from_file(tmp_path / "none.csv")
