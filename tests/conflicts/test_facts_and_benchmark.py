"""Facts with lies: read with clear errors, kept if known, and counted as each method answers them."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from tests.white_box.tiny import model
from typer.testing import CliRunner

from pansophy.cli.bench import app as bench
from pansophy.cli.conflict import app as conflict
from pansophy.conflicts import CKPlug, DoLa
from pansophy.conflicts.benchmark import measure
from pansophy.conflicts.facts import Fact, KnownFact, first_token, known_facts, read_facts
from pansophy.errors import SourceError, UsageError
from pansophy.models.white_box import WhiteBoxModel

ROW = {"subject": "Italy", "answers": ["Rome"], "lie": "Lima", "prompt": "p", "substituted": "s"}
COUNTRIES = {"Italy": ("Rome", "Lima"), "Germany": ("Berlin", "Tokyo"), "Erewhon": ("Nowhere", "Oslo")}


def capital(country: str, answer: str, lie: str) -> Fact:
    prompt = f"The name of the capital city of {country} is"
    return Fact(country, (answer,), lie, prompt, f"{prompt} {lie}. {prompt}")


FACTS = [capital(country, *answers) for country, answers in COUNTRIES.items()]


def test_facts_are_read_from_both_forms_and_both_field_names(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(
        json.dumps(
            [
                {
                    "Subject": "Italy",
                    "Answer": ["Rome"],
                    "Distracted Token": "Lima",
                    "Clean Prompt": "p",
                    "Substitution Conflict": "s",
                    "Coherent Conflict": "c",
                }
            ]
        )
    )
    (tmp_path / "b.jsonl").write_text(json.dumps({**ROW, "answers": "Rome"}))
    (juice,), (ours,) = read_facts(tmp_path / "a.json"), read_facts(tmp_path / "b.jsonl")
    assert juice == Fact("Italy", ("Rome",), "Lima", "p", "s", "c")
    assert ours == Fact("Italy", ("Rome",), "Lima", "p", "s")


@pytest.mark.parametrize("field", sorted(ROW))
def test_a_missing_field_is_named_with_its_row(tmp_path: Path, field: str) -> None:
    rows = [ROW, {name: value for name, value in ROW.items() if name != field}]
    (tmp_path / "f.json").write_text(json.dumps(rows))
    with pytest.raises(SourceError, match=f"row 2: {field}"):
        read_facts(tmp_path / "f.json")


@pytest.mark.parametrize("text", ["[1]", "{broken", '["x"'])
def test_what_is_no_fact_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "f.json").write_text(text)
    with pytest.raises(SourceError):
        read_facts(tmp_path / "f.json")


def test_what_the_model_does_not_know_and_what_begins_alike_is_dropped_and_counted(smollm2: WhiteBoxModel) -> None:
    known = known_facts(smollm2, [*FACTS, capital("Italy", "Rome", "Rome by night")])
    assert [one.fact.subject for one in known.facts] == ["Italy", "Germany"]
    assert (known.unknown, known.alike) == (1, 1)
    assert smollm2.decode([known.facts[0].memory]) == " Rome"
    with pytest.raises(UsageError, match="knows none of the 1 facts"):
        known_facts(smollm2, FACTS[2:])


def test_the_first_token_is_that_behind_the_prompt() -> None:
    white = model()
    assert white.tokenizer.decode([first_token(white, "the capital of France is", "Paris .")]) == " Paris"


def test_methods_are_counted_as_their_combiners_answer() -> None:
    white = model()
    prompts = [f"the capital of {country} is" for country in ("France", "Italy", "Norway")]
    facts = [Fact("s", ("a",), "l", prompt, f"not {prompt}") for prompt in prompts]
    memory = white.next_log_probs(prompts).argmax(-1).tolist()
    told = white.next_log_probs([fact.substituted for fact in facts]).argmax(-1).tolist()
    known = [KnownFact(fact, m, c if c != m else m + 1) for fact, m, c in zip(facts, memory, told, strict=True)]
    found = measure(white, known, "substituted", {"memory": CKPlug(1.0, tau=float("inf")), "early": DoLa((0, 1))})
    assert list(found) == ["plain", "memory", "early"]
    assert found["memory"].memory.mean == 1
    assert found["plain"].context.mean + found["plain"].memory.mean == 1
    with pytest.raises(UsageError, match="coherent"):
        measure(white, known, "coherent")


@pytest.fixture
def folder(tmp_path: Path, smollm2: WhiteBoxModel, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the commands find SmolLM2 loaded already."""
    monkeypatch.setattr(WhiteBoxModel, "load", lambda *_, **__: smollm2)
    return tmp_path


def run(app: Any, *arguments: str, code: int = 0) -> Any:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return result


def test_the_bench_command_measures_and_writes_numbers_only(folder: Path) -> None:
    rows = [{name: value for name, value in asdict(fact).items() if value} for fact in FACTS]
    (folder / "facts.jsonl").write_text("\n".join(map(json.dumps, rows)))
    printed = run(bench, "conflicts", "--data", str(folder / "facts.jsonl"), "-o", str(folder / "r.json"))
    assert "2 of 3 facts are known" in printed.output
    result = json.loads((folder / "r.json").read_text())
    by_name = {row["method"]: row for row in result["results"]["substituted"]}
    assert by_name["CK-PLUG alpha=1.0"]["memory"]["mean"] == 1
    assert by_name["CK-PLUG alpha=0.25"]["context"]["mean"] == 1
    assert result["two_streams_over_one"] > 0
    assert "Rome" not in (folder / "r.json").read_text()


def test_the_ask_command_turns_the_dial(folder: Path) -> None:
    (folder / "memo.txt").write_text("The capital of Germany is Tokyo.")
    question = ["ask", "What is the capital of Germany?", "--context", str(folder / "memo.txt"), "--plain"]
    told = {
        alpha: run(conflict, *question, "--alpha", alpha, "--max-new-tokens", "8").stdout for alpha in ("0.25", "1")
    }
    assert "Tokyo" in told["0.25"]
    assert "Tokyo" not in told["1"]
    page = folder / "trace.html"
    as_json = run(conflict, *question, "--json", "--html", str(page), "--max-new-tokens", "3")
    reply = json.loads(as_json.stdout)
    assert len(reply["trace"]) == len(reply["tokens"])
    assert page.read_text().count("<tr>") == len(reply["trace"]) + 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--alpha", "2"], "alpha must be between 0"),
        (["--method", "cad", "--alpha", "1"], "--alpha and --tau belong to"),
        (["--method", "magic"], "--method must be one of"),
    ],
)
def test_wrong_dials_are_refused(folder: Path, arguments: list[str], words: str) -> None:
    (folder / "memo.txt").write_text("x")
    result = CliRunner().invoke(conflict, ["ask", "q", "--context", str(folder / "memo.txt"), *arguments])
    assert isinstance(result.exception, UsageError)
    assert words in str(result.exception)
    missing = CliRunner().invoke(conflict, ["ask", "q", "--context", str(folder / "none.txt")])
    assert isinstance(missing.exception, SourceError)
