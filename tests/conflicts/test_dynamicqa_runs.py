"""Many facts: resumed after a kill, failures tried again, summaries, the report."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conflicts.samplers import Broken, TableSampler

from pansophy.conflicts.dynamicqa import ConflictProbe, DynamicQASettings, Fact, probe_facts, summarise, write_report
from pansophy.conflicts.dynamicqa.summary import contrasts, spearman
from pansophy.conflicts.results import ROWS, read_rows
from pansophy.conflicts.sampling import Sample
from pansophy.errors import AuthenticationFailed, ModelError, RunError, UsageError

FACTS = [
    Fact(f"{number}", partition, f"S{number}", f"What is S{number}?", "It is a [ENTITY].", "poet", "cook", edits, edits)
    for partition, edits in (("static", 1.0), ("temporal", 3.0))
    for number in range(4)
]
ASKED = DynamicQASettings(samples=3)


def gullible(prompt: str, number: int) -> Sample:
    """Believes what it is told, except about S0; knows nothing else for sure."""
    told = "cook" if "a cook" in prompt else "poet"
    if "[Context]" in prompt and "S0" not in prompt:
        return Sample(told, (-0.1,), np.array([0.9, 0.1], np.float32))
    return Sample(("poet", "smith", "clerk")[number], (-1.0,), np.array([0.4, 0.6], np.float32))


def probe(sampler: TableSampler | None = None) -> ConflictProbe:
    return ConflictProbe(sampler or TableSampler(gullible), settings=ASKED)


async def test_each_fact_is_measured_with_both_answers(tmp_path: Path) -> None:
    told = []
    rows = await probe_facts(probe(), FACTS, tmp_path, limit=2, on_progress=told.append)
    assert [row["id"] for row in rows[:4]] == [
        "static/0/original",
        "static/0/substitute",
        "static/1/original",
        "static/1/substitute",
    ]
    assert [(one.done, one.total) for one in told] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert rows == read_rows(tmp_path)
    stubborn, persuaded = rows[1], rows[3]
    assert (stubborn["behaviour"], stubborn["persuasion"]) == ("stubborn", pytest.approx(0, abs=1e-6))
    assert (persuaded["behaviour"], persuaded["changed"], persuaded["with"]["answer"]) == ("persuaded", True, "cook")
    assert persuaded["without"]["clusters"] == [[0], [1], [2]]
    assert "What is" not in (tmp_path / ROWS).read_text()


async def test_a_broken_run_goes_on_to_the_same_rows(tmp_path: Path) -> None:
    await probe_facts(probe(), FACTS, tmp_path / "whole")
    with pytest.raises(Broken):
        await probe_facts(probe(TableSampler(gullible, breaks_after=40)), FACTS, tmp_path / "broken")
    before = len(read_rows(tmp_path / "broken"))
    with (tmp_path / "broken" / ROWS).open("a") as file:
        file.write('{"id": "torn')
    await probe_facts(probe(), FACTS, tmp_path / "broken", at_once=3)
    assert 0 < before < 16
    assert (tmp_path / "broken" / ROWS).read_bytes() == (tmp_path / "whole" / ROWS).read_bytes()


async def test_more_facts_of_the_same_file_can_follow_but_not_another_measurement(tmp_path: Path) -> None:
    await probe_facts(probe(), FACTS, tmp_path, limit=1)
    assert len(await probe_facts(probe(), FACTS, tmp_path, limit=3)) == 12
    with pytest.raises(RunError, match=r"settings\.samples"):
        await probe_facts(ConflictProbe(TableSampler(gullible)), FACTS, tmp_path)
    with pytest.raises(RunError, match="facts"):
        await probe_facts(probe(), FACTS[:3], tmp_path)


async def test_ids_that_would_meet_in_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="static has the id 0"):
        await probe_facts(probe(), [*FACTS, FACTS[0]], tmp_path)


async def test_a_fact_that_failed_is_tried_again(tmp_path: Path) -> None:
    def fails(prompt: str, number: int) -> Sample:
        if "S1" in prompt:
            raise ModelError("too long")
        return gullible(prompt, number)

    rows = await probe_facts(probe(TableSampler(fails)), FACTS, tmp_path)
    assert [row["id"] for row in rows if row["error"]] == [
        f"{partition}/1/{answer}" for partition in ("static", "temporal") for answer in ("original", "substitute")
    ]
    (one, *_) = summarise(rows)
    assert (one.rows, one.failed) == (3, 1)
    assert "too long" in write_report_html(tmp_path)
    rows = await probe_facts(probe(), FACTS, tmp_path)
    assert len(rows) == 16
    assert not any(row["error"] for row in rows)


async def test_a_wrong_key_ends_the_run(tmp_path: Path) -> None:
    def refused(prompt: str, number: int) -> Sample:
        raise AuthenticationFailed("no")

    with pytest.raises(AuthenticationFailed):
        await probe_facts(probe(TableSampler(refused)), FACTS, tmp_path)
    assert read_rows(tmp_path) == []


def test_a_killed_process_leaves_rows_that_the_next_one_keeps(tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import asyncio, sys
        from pathlib import Path
        from tests.conflicts.samplers import TableSampler
        from tests.conflicts.test_dynamicqa_runs import ASKED, FACTS, gullible
        from pansophy.conflicts.dynamicqa import ConflictProbe, probe_facts

        def hangs(progress):
            print(progress.done, flush=True)
            if progress.done == 3:
                sys.stdin.read()

        asyncio.run(probe_facts(ConflictProbe(TableSampler(gullible), settings=ASKED), FACTS, Path(sys.argv[1]),
                                on_progress=hangs if sys.argv[2] == "hang" else None))
        """
    )
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(root / "src")])}

    def start(folder: str, how: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", script, str(tmp_path / folder), how]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)

    killed = start("killed", "hang")
    assert killed.stdout is not None
    assert [killed.stdout.readline().strip() for _ in range(3)] == ["1", "2", "3"]
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert len(read_rows(tmp_path / "killed")) == 6
    for folder in ("killed", "whole"):
        assert start(folder, "on").wait(60) == 0
    assert (tmp_path / "killed" / ROWS).read_bytes() == (tmp_path / "whole" / ROWS).read_bytes()


# ---- summaries ----


def row(partition: str, behaviour: str, **more: Any) -> dict[str, Any]:
    known = {"entropy": None, "discrete_entropy": more.pop("doubt", 0.0), "answer": "x"}
    base = {"partition": partition, "answer": "substitute", "error": None, "behaviour": behaviour, "changed": False}
    return {**base, "persuasion": None, "edits": None, "popularity": None, "without": known, **more}


def test_partitions_are_summed_up_and_set_against_the_first() -> None:
    rows = [row("static", "persuaded")] * 3 + [row("static", "stubborn")]
    rows += [row("temporal", "persuaded"), row("temporal", "other")] * 2
    static, temporal = summarise(rows)
    assert (static.persuaded.mean, static.stubborn.mean, temporal.persuaded.mean) == (0.75, 0.25, 0.5)
    assert static.persuasion is None
    (found,) = contrasts(summarise(rows))
    assert (found.partition, found.reference, found.difference) == ("temporal", "static", -0.25)
    assert found.log_odds == pytest.approx(np.log(1 / 3))
    assert found.standard_error == pytest.approx(np.sqrt(1 / 2 + 1 / 2 + 1 / 3 + 1))
    assert contrasts(summarise([row("static", "persuaded"), row("temporal", "other")]))[0].log_odds is None


def test_doubt_that_rises_with_the_edits_is_told() -> None:
    (found,) = summarise([row("temporal", "other", doubt=value, edits=value * 2) for value in (0.0, 0.5, 1.0)])
    assert found.correlations["discrete_entropy", "edits"] == pytest.approx(1)
    assert found.correlations["discrete_entropy", "popularity"] is None


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=3, max_size=20))
def test_ranks_correlate_whatever_the_scale(pairs: list[tuple[int, int]]) -> None:
    one, other = [float(x) for x, _ in pairs], [float(y) for _, y in pairs]
    found = spearman(one, other)
    if found is None:
        assert len(set(one)) == 1 or len(set(other)) == 1
        return
    assert -1.0000001 <= found <= 1.0000001
    assert spearman([x**3 for x in one], other) == pytest.approx(found)
    assert spearman([-x for x in one], other) == pytest.approx(-found)
    assert spearman(one, one) == pytest.approx(1)


def test_ties_share_their_rank() -> None:
    assert spearman([1, 2, 2, 3], [1, 2, 3, 4]) == pytest.approx(0.9486832981)


# ---- the report ----


def write_report_html(folder: Path) -> str:
    write_report(folder)
    return (folder / "report.html").read_text("utf-8")


async def test_the_report_stands_alone_and_shows_every_answer(tmp_path: Path) -> None:
    with pytest.raises(RunError):
        write_report(tmp_path)
    rows = await probe_facts(probe(), FACTS, tmp_path)
    markdown = write_report(tmp_path)
    page = (tmp_path / "report.html").read_text("utf-8")
    tree = ElementTree.fromstring(
        page.removeprefix("<!doctype html>\n")
        .replace('<meta charset="utf-8">', "")
        .replace(page[page.index("<meta http") : page.index("<title>")], "")
    )
    assert len(tree.findall(".//figure")) == 3
    assert "<script" not in page
    assert "http:" not in page.replace("http://www.w3.org/2000/svg", "")
    for one in rows:
        assert f">{one['id']}<" in page
    assert "| static, substitute | 4 | 75.0 [" in markdown
    assert "temporal, original" in markdown
    assert json.loads((tmp_path / "manifest.json").read_text())["made_with"]["entailment"] == "same_answer"
