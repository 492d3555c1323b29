"""`pansophy bench`: a small dataset asked of scripted models through the command's own options."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.reading.pike_rag.rules import rule_model
from typer.testing import CliRunner, Result

from pansophy.cli.bench import app
from pansophy.corpus import Corpus
from pansophy.errors import AuthenticationFailed, CorpusError, PansophyError, RunError, SourceError, UsageError
from pansophy.evaluation.babilong import is_fact, solve
from pansophy.evaluation.hops import is_fact as is_hop
from pansophy.evaluation.hops import solve as solve_hops
from pansophy.models import ScriptedModel
from pansophy.types import ChatMessage

KEEPERS = ["Mara", "Otis", "Signe"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    corpus = {f"House {n}": [f"The key of house {n} is kept by {name}."] for n, name in enumerate(KEEPERS)}
    questions = [
        {
            "_id": f"q{n}",
            "question": f"Who keeps the key of house {n}?",
            "answer": name,
            "supporting_facts": [[f"House {n}", 0]],
        }
        for n, name in enumerate(KEEPERS)
    ]
    (folder / "corpus.json").write_text(json.dumps(corpus))
    (folder / "questions.json").write_text(json.dumps(questions))
    return folder


def right(messages: Sequence[ChatMessage], schema: Any) -> Any:
    content = messages[-1].content
    asked = content.rpartition("Question: ")[2].partition("?")[0].split()[-1]
    sentence = f"The key of house {asked} is kept by {KEEPERS[int(asked)]}."
    return json.dumps({"answerable": True, "answer": KEEPERS[int(asked)], "quote": sentence})


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], list[ScriptedModel]]:
    """Every model name opens a scripted model with this reply; returns the list of those opened."""

    def use(reply: Any) -> list[ScriptedModel]:
        opened: list[ScriptedModel] = []

        def open_model(name: Any, **options: Any) -> Any:
            if not isinstance(name, str):
                return name
            opened.append(ScriptedModel(reply, name=name, window=options.get("window") or 8192))
            return opened[-1]

        monkeypatch.setattr("pansophy.models.opening.open_model", open_model)
        return opened

    return use


def noise_file(folder: Path) -> Path:
    place = folder / "noise.txt"
    place.write_text(
        " ".join(f"Nobody in the grey town looked up when rain {n} fell upon its roofs." for n in range(50))
    )
    return place


def bench(*arguments: Any, fails: type[PansophyError] | None = None) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if fails is not None:
        assert isinstance(result.exception, fails), result.output
    elif result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_a_bench_is_run_reported_and_written(data: Path, tmp_path: Path, scripted: Any) -> None:
    scripted(right)
    out = tmp_path / "out"
    result = bench("hotpotqa", "--data", data, "--strategies", "top-k,direct", "-o", out, "-n", 2)
    assert result.exit_code == 0
    assert "top_k 1/2  F1 1.00" in result.stderr
    assert "| top_k | 2 | 100.0" in result.stdout
    assert (out / "report.md").read_text() in result.stdout
    summary = json.loads((out / "report.json").read_text())
    assert {line["strategy"]: line["scores"]["f1"]["mean"] for line in summary["strategies"]} == {
        "top_k": 1.0,
        "direct": 1.0,
    }
    assert all(line["scores"]["evidence_hit"]["mean"] == 1.0 for line in summary["strategies"])


def test_a_second_call_goes_on_and_offset_asks_others(data: Path, tmp_path: Path, scripted: Any) -> None:
    out = tmp_path / "out"
    scripted(right)
    bench("hotpotqa", "--data", data, "-s", "top_k", "-o", out, "-n", 1)
    (second,) = [scripted(right)]
    bench("hotpotqa", "--data", data, "-s", "top_k", "-o", out, "-n", 1, "--offset", 2)
    assert len(second[0].calls) == 1
    assert [json.loads(line)["question_id"] for line in (out / "top_k.jsonl").open()] == ["q0", "q2"]
    (third,) = [scripted(right)]
    bench("hotpotqa", "--data", data, "-s", "top_k", "-o", out)
    assert len(third[0].calls) == 1
    assert "| top_k | 3 |" in (out / "report.md").read_text()


def test_settings_reach_the_strategies_that_have_them(data: Path, tmp_path: Path, scripted: Any) -> None:
    scripted(right)
    out = tmp_path / "out"
    options = ["--set", "max_chunks=2", "--set", "top-k.force=false", "--set", "direct.order=document"]
    bench("hotpotqa", "--data", data, "-s", "top_k,direct", "-o", out, *options)
    strategies = json.loads((out / "manifest.json").read_text())["strategies"]
    assert strategies["top_k"]["settings"]["max_chunks"] == 2
    assert strategies["top_k"]["settings"]["force"] is False
    assert strategies["direct"]["settings"]["force"] is True
    assert strategies["direct"]["settings"]["order"] == "document"


def test_other_settings_are_refused_in_a_folder_with_results(data: Path, tmp_path: Path, scripted: Any) -> None:
    scripted(right)
    out = tmp_path / "out"
    bench("hotpotqa", "--data", data, "-s", "top_k", "-o", out, "-n", 1)
    result = bench("hotpotqa", "--data", data, "-s", "top_k", "-o", out, "--set", "max_chunks=2", fails=RunError)
    assert "settings.max_chunks" in str(result.exception)
    result = bench("hotpotqa", "--data", data, "-s", "top_k", "-o", out, "--window", 4096, fails=RunError)
    assert "settings.window" in str(result.exception)
    result = bench("hotpotqa", "--data", data, "-s", "top_k", "-o", out, "-m", "other", fails=RunError)
    assert "models" in str(result.exception)


def test_a_misspelt_setting_is_refused_before_a_model_is_opened(data: Path, tmp_path: Path, scripted: Any) -> None:
    opened = scripted(right)
    for wrong in ("max_chunk=2", "top_k.order=rank", "map_reduce.force=false"):
        result = bench("hotpotqa", "--data", data, "-s", "top_k", "-o", tmp_path, "--set", wrong, fails=UsageError)
        assert wrong.partition("=")[0] in str(result.exception)
    assert opened == []


@pytest.mark.parametrize("wrong", ["", "oracle", "top_k,top_k"])
def test_wrong_strategies_are_a_usage_error(data: Path, tmp_path: Path, wrong: str) -> None:
    assert bench("hotpotqa", "--data", data, "-s", wrong, "-o", tmp_path).exit_code == 2


def test_a_setting_without_value_is_a_usage_error(data: Path, tmp_path: Path) -> None:
    result = bench("hotpotqa", "--data", data, "-s", "top_k", "-o", tmp_path, "--set", "force")
    assert result.exit_code == 2
    assert "NAME=VALUE" in result.output


def test_strategies_that_read_everything_can_be_asked_less(data: Path, tmp_path: Path, scripted: Any) -> None:
    scripted(lambda messages, schema: "{}" if schema else "A note.")
    out = tmp_path / "out"
    bench("hotpotqa", "--data", data, "-s", "top_k,running_note", "-o", out, "--limit-all", 1)
    assert len((out / "top_k.jsonl").read_text().splitlines()) == 3
    assert len((out / "running_note.jsonl").read_text().splitlines()) == 1


def test_a_seeker_model_is_part_of_the_results(data: Path, tmp_path: Path, scripted: Any) -> None:
    opened = scripted(lambda messages, schema: "{}" if schema else "A note.")
    out = tmp_path / "out"
    options = ["-m", "large", "--seeker-model", "small"]
    bench("hotpotqa", "--data", data, "-s", "running_note", "-o", out, "-n", 1, *options)
    models = json.loads((out / "manifest.json").read_text())["strategies"]["running_note"]["models"]
    assert models == ["scripted:large", "scripted:small"]
    assert all(model.calls for model in opened)


def test_a_wrong_key_ends_the_bench_with_its_error(data: Path, tmp_path: Path, scripted: Any) -> None:
    scripted(lambda messages, schema: AuthenticationFailed("wrong key"))
    result = bench("hotpotqa", "--data", data, "-s", "top_k", "-o", tmp_path / "out", fails=AuthenticationFailed)
    assert "wrong key" in str(result.exception)
    assert not (tmp_path / "out" / "top_k.jsonl").exists()


def test_babilong_is_made_asked_and_scored_task_by_task(tmp_path: Path, scripted: Any) -> None:
    noise = noise_file(tmp_path)
    told: list[str] = []

    def follow(messages: Sequence[ChatMessage], schema: Any) -> Any:
        """Whoever reads the whole text knows the answer."""
        text, _, question = messages[-1].content.rpartition("Question: ")
        question = question.partition("\n")[0].strip()
        told.append(text)
        facts = [fact for part in text.split(". ") if is_fact(fact := " ".join(part.split()).rstrip(".") + ".")]
        return json.dumps({"answerable": True, "answer": solve(facts, question), "quote": facts[-1]})

    scripted(follow)
    out = tmp_path / "out"
    options = ["--tasks", "qa1,qa4", "--length", "900", "--noise", noise, "-n", 2]
    result = bench("babilong", *options, "-s", "direct", "-o", out)
    assert "direct 1/4  score 1.00" in result.stderr
    assert "| Strategy | qa1 | qa4 |" in result.stdout
    assert len(set(told)) == 4
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["dataset"]["score"] == "babilong-compare_answers"
    calls = len(told)
    bench("babilong", *options, "-s", "direct", "-o", out)
    assert len(told) == calls  # a finished bench asks nothing again
    bench("babilong", *options, "-s", "direct", "-o", out, "--seed", 1, fails=RunError)
    bench("babilong", *options, "-s", "direct", "-o", out, "--tasks", "qa77", fails=UsageError)
    bench("babilong", *options, "-s", "direct", "-o", tmp_path / "other", "--noise", tmp_path / "no", fails=SourceError)


def test_ruler_is_made_asked_and_scored_by_the_share_of_right_answers(tmp_path: Path, scripted: Any) -> None:
    def half(messages: Sequence[ChatMessage], schema: Any) -> Any:
        text = messages[-1].content
        key = re.search(r"values of (\w+)", text.rpartition("Question: ")[2])[1]
        values = re.findall(rf"secret values of {key} is: (\d+)", text)
        return json.dumps({"answerable": True, "answer": ", ".join(values[:2]), "quote": ""})

    scripted(half)
    noise = noise_file(tmp_path)
    options = ["--tasks", "niah_multivalue", "--length", "800", "-n", 2, "-s", "direct", "-o", tmp_path / "out"]
    result = bench("ruler", *options, "--noise", noise)
    assert "direct 2/2  score 0.50" in result.stderr
    bench("ruler", *options, fails=UsageError)  # these needles need a text to hide in


def write_lines(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def house(number: int) -> str:
    return f"The key of house {number} is kept by {KEEPERS[number]}."


def test_infinitebench_is_asked_over_each_questions_text_and_scored_by_the_variant(
    tmp_path: Path, scripted: Any
) -> None:
    (model,) = [scripted(lambda messages, schema: json.dumps({"answerable": True, "answer": "1 or 2", "quote": ""}))]
    rows = [{"id": n, "context": house(0), "input": "Which is the pass key?", "answer": ["2"]} for n in range(2)]
    options = ["--data", write_lines(tmp_path / "passkey.jsonl", *rows), "-s", "direct"]
    result = bench("infinitebench", *options, "-o", tmp_path / "one", "-n", 1)
    assert "infinitebench-passkey: 2 questions in the file, 590 in the published one" in result.stderr
    assert "direct 1/1  score 0.00" in result.stderr
    assert house(0) in model[0].calls[0].messages[-1].content
    result = bench("infinitebench", *options, "-o", tmp_path / "two", "--variant", "llmxmapreduce")
    assert "direct 2/2  score 1.00" in result.stderr
    assert "Score is infinitebench-llmxmapreduce x 100" in result.stdout
    bench("infinitebench", *options, "-o", tmp_path / "two", fails=RunError)  # another variant: another score
    bench("infinitebench", "--data", tmp_path / "mine.jsonl", "-o", tmp_path / "x", fails=UsageError)


def test_longbench_is_scored_by_the_letter_and_told_apart_by_kind(tmp_path: Path, scripted: Any) -> None:
    scripted(lambda messages, schema: json.dumps({"answerable": True, "answer": "The correct answer is (B)"}))
    rows = [
        {
            "_id": f"l{n}",
            "domain": "x",
            "difficulty": "easy",
            "length": length,
            "question": "Who has the key?",
            **{f"choice_{letter}": letter * 2 for letter in "ABCD"},
            "answer": answer,
            "context": house(n),
        }
        for n, (length, answer) in enumerate([("short", "B"), ("long", "C")])
    ]
    data = tmp_path / "data.json"
    data.write_text(json.dumps(rows))
    result = bench("longbench", "--data", data, "-s", "direct", "-o", tmp_path / "out")
    assert "| Strategy | short | long |" in result.stdout
    assert "| direct | 100.0 [100.0, 100.0] | 0.0 [0.0, 0.0] |" in result.stdout
    bench("longbench", "--data", data, "-s", "direct", "-o", tmp_path / "out", "--kinds", "difficulty", fails=RunError)


def test_musique_is_asked_over_the_union_of_its_paragraphs(tmp_path: Path, scripted: Any) -> None:
    scripted(right)
    rows = [
        {
            "id": f"2hop__{n}",
            "question": f"Who keeps the key of house {n}?",
            "answer": KEEPERS[n],
            "paragraphs": [{"title": f"House {n}", "paragraph_text": house(n), "is_supporting": True}],
        }
        for n in range(2)
    ]
    data = write_lines(tmp_path / "musique_ans.jsonl", *rows)
    result = bench("musique", "--data", data, "-s", "direct", "-o", tmp_path / "out")
    assert "| direct | 2 | 100.0" in result.stdout
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert (manifest["dataset"]["documents"], manifest["dataset"]["scorer"]) == (2, "musique")


def test_own_questions_are_asked_of_their_context_a_folder_or_a_stored_corpus(
    tmp_path: Path, scripted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PANSOPHY_HOME", str(tmp_path / "home"))
    scripted(right)
    asked = {"question": "Who keeps the key of house 1?", "answer": KEEPERS[1]}
    with_context = write_lines(tmp_path / "with.jsonl", {**asked, "id": "a b/c", "context": house(1)})
    result = bench("questions", "--data", with_context, "-s", "direct", "-o", tmp_path / "context")
    assert "direct 1/1  F1 1.00" in result.stderr
    texts = tmp_path / "texts"
    texts.mkdir()
    (texts / "house.txt").write_text(house(1))
    Corpus.create("houses").add([texts])
    without = write_lines(tmp_path / "without.jsonl", asked)
    for number, corpus in enumerate((texts, "houses")):
        out = tmp_path / f"out-{number}"
        bench("questions", "--data", without, "--corpus", corpus, "-s", "direct", "-o", out)
        answers = json.loads((out / "direct.answers.jsonl").read_text())
        assert house(1) in [evidence["quote"] for evidence in answers["answer"]["evidence"]]
    for data, corpus in ((without, []), (with_context, ["--corpus", "houses"])):
        failed = bench("questions", "--data", data, *corpus, "-o", tmp_path / "no", fails=UsageError)
        assert "--corpus" in str(failed.exception)
    bench("questions", "--data", without, "--corpus", "nowhere", "-o", tmp_path / "no", fails=CorpusError)


def test_questions_about_one_text_share_its_index(tmp_path: Path, scripted: Any, monkeypatch: Any) -> None:
    scripted(right)
    made: list[str] = []
    create = Corpus.create
    monkeypatch.setattr(Corpus, "create", lambda name, **options: made.append(name) or create(name, **options))
    rows = [
        {"question": f"Who keeps the key of house {n}?", "answer": KEEPERS[n], "context": [house(0), house(1)]}
        for n in range(2)
    ]
    data = write_lines(tmp_path / "mine.jsonl", *rows, {**rows[0], "context": house(0)})
    bench("questions", "--data", data, "-s", "direct", "-o", tmp_path / "out")
    assert len(made) == 2


def test_hops_are_made_asked_and_scored_by_their_number(tmp_path: Path, scripted: Any) -> None:
    def follow(messages: Sequence[ChatMessage], schema: Any) -> Any:
        text, _, question = messages[-1].content.rpartition("Question: ")
        facts = [sentence for sentence in re.split(r"(?<=\.)\s|\n", text) if is_hop(sentence)]
        return json.dumps({"answerable": True, "answer": solve_hops(facts, question.partition("\n")[0]), "quote": ""})

    scripted(follow)
    options = ["--length", "0", "--noise", noise_file(tmp_path), "-n", 2, "-s", "direct", "-o", tmp_path / "out"]
    result = bench("hops", "--hops", "2-3", *options)
    assert "direct 4/4  F1 1.00" in result.stderr
    assert "| Strategy | 2 hops | 3 hops |" in result.stdout
    wrong = bench("hops", "--hops", "1", *options, fails=UsageError)
    assert "give some of 2, 3, 4, 5" in str(wrong.exception)
    bench("hops", "--hops", "2-3", *options, "--decoys", 1, fails=RunError)  # other data in the same folder


def test_pike_rag_is_measured_beside_its_parts_and_its_decompositions_are_collected(
    tmp_path: Path, scripted: Any
) -> None:
    out, collected = tmp_path / "pike-rag.json", tmp_path / "trajectories.jsonl"
    scripted(rule_model()._replier)
    done = bench("pike-rag", "--hops", 2, "-n", 3, "--decoys", 2, "-o", out, "--trajectories", collected)
    told = json.loads(out.read_text("utf-8"))
    recalls = {name: one["chain_recall"] for name, one in told["results"].items()}
    assert recalls["pike_rag"] == 1.0
    assert recalls["search, 5 best"] <= 0.7
    assert told["results"]["pike_rag"]["stops"] == {"nothing more to ask": 3}
    assert told["notes"] == 18
    assert [one["right"] for one in told["findings"]["pike_rag"]] == [True] * 3
    assert len(collected.read_text("utf-8").splitlines()) == 3
    assert "pike_rag, level 1, 5 best" in done.stdout


def test_a_filter_keeps_what_no_chunk_alone_answers_and_a_bench_asks_only_that(
    data: Path, tmp_path: Path, scripted: Any
) -> None:
    def reads(messages: Sequence[ChatMessage], schema: Any) -> Any:
        """Knows who keeps the keys of the first two houses, if the text says so; the third is not in it."""
        text, _, question = messages[-1].content.rpartition("Question: ")
        asked = question.partition("?")[0].split()[-1]
        known = asked != "2" and f"house {asked} is kept by" in text
        return json.dumps({"answerable": known, "answer": KEEPERS[int(asked)] if known else "", "quote": ""})

    opened = scripted(reads)
    kept = tmp_path / "kept"
    command = ["filter", "hotpotqa", "--data", data, "-o", kept, "--chunk-tokens", 1000, "-m", "reader"]
    result = bench(*command)
    assert "1 kept, 2 dropped, 0 undecided" in result.stdout
    assert "1/3  q0  dropped: chunk 0 alone gives 'Mara'" in result.stderr
    assert "3/3  q2  kept" in result.stderr
    assert len(opened[0].calls) == 3  # one for each question, a refusal included
    bench(*command)
    assert opened[1].calls == []
    scripted(right)
    out = tmp_path / "out"
    bench("hotpotqa", "--data", data, "-s", "direct", "-o", out, "--ids", kept / "kept.json")
    assert [json.loads(line)["question_id"] for line in (out / "direct.jsonl").open()] == ["q2"]
    wrong = bench(*command[:-4], "--chunk-tokens", 100_000, fails=UsageError)
    assert "don't fit the window" in str(wrong.exception)


def test_generated_questions_can_be_filtered_too(tmp_path: Path, scripted: Any) -> None:
    def follow(messages: Sequence[ChatMessage], schema: Any) -> Any:
        text, _, question = messages[-1].content.rpartition("Question: ")
        facts = [sentence for sentence in re.split(r"(?<=\.)\s|\n", text) if is_hop(sentence)]
        try:
            answer = solve_hops(facts, question.partition("\n")[0])
        except UsageError:  # a fact of the chain stands in another chunk
            answer = ""
        return json.dumps({"answerable": bool(answer), "answer": answer, "quote": ""})

    scripted(follow)
    options = ["--hops", "4", "--noise", noise_file(tmp_path), "-n", 2]
    short = bench("filter", "hops", *options, "--length", "0", "-o", tmp_path / "short", "--chunk-tokens", 2000)
    assert "0 kept, 2 dropped" in short.stdout
    long = bench("filter", "hops", *options, "--length", "6000", "-o", tmp_path / "long", "--chunk-tokens", 300)
    assert "2 kept, 0 dropped" in long.stdout


def test_a_judge_rates_a_bench_once_and_the_report_shows_it(data: Path, tmp_path: Path, scripted: Any) -> None:
    out = tmp_path / "out"
    scripted(right)
    bench("hotpotqa", "--data", data, "-s", "direct,no-context", "-o", out)
    assert "no_context is the control" in (out / "report.md").read_text()
    opened = scripted(lambda messages, schema: json.dumps({"reason": "same", "fluency": 1, "correctness": 2}))
    result = bench("judge", out, "--model", "critic")
    assert "direct 3/3  2 same" in result.stderr
    assert "| direct | 3 | 100.0 [100.0, 100.0] | 2.00 [2.00, 2.00] |" in result.stdout
    assert len(opened[0].calls) == 6
    bench("judge", out, "--model", "critic")
    assert opened[1].calls == []
    other = bench("judge", out, "--model", "another", fails=RunError)
    assert "was judged by scripted:critic" in str(other.exception)
    bench("judge", tmp_path / "nothing", "--model", "critic", fails=RunError)


def test_answers_that_could_not_be_judged_are_said(data: Path, tmp_path: Path, scripted: Any) -> None:
    scripted(right)
    bench("hotpotqa", "--data", data, "-s", "direct", "-o", tmp_path / "out", "-n", 1)
    scripted(lambda messages, schema: "Good answer!")
    result = bench("judge", tmp_path / "out", "--model", "critic")
    assert result.exit_code == 1
    assert "1 answers could not be judged" in result.stderr


def test_report_compares_folders(data: Path, tmp_path: Path, scripted: Any) -> None:
    for name in ("one", "two"):
        scripted(right)
        bench("hotpotqa", "--data", data, "-s", "top_k,direct", "-o", tmp_path / name, "-n", 2)
    result = bench("report", tmp_path / "one", tmp_path / "two", "--reference", "direct", "-o", tmp_path / "both")
    assert "| one | top_k | 2 |" in result.stdout
    assert "| two | top_k | direct | F1 | 2 |" in result.stdout
    assert json.loads((tmp_path / "both" / "report.json").read_text())["strategies"]
    as_json = bench("report", tmp_path / "one", "--json")
    assert json.loads(as_json.stdout)["benches"]["one"]["dataset"]["questions"] == 3


def test_report_of_no_bench_is_a_clear_error(tmp_path: Path) -> None:
    result = bench("report", tmp_path, fails=RunError)
    assert "not a bench folder" in str(result.exception)


def test_list_says_where_datasets_are_or_how_to_say_it(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PANSOPHY_DATA", raising=False)
    assert "set PANSOPHY_DATA" in bench("list").stdout
    monkeypatch.setenv("PANSOPHY_DATA", str(data))
    assert str(data) in bench("list").stdout
    listed = bench("list").stdout
    for name in ("babilong", "ruler", "hotpotqa", "musique", "infinitebench", "longbench", "questions", "extagents"):
        assert name in listed
    for name in ("knowledge-solver: ", "ikea: "):
        assert name in listed


def test_a_missing_dataset_is_a_clear_error(tmp_path: Path) -> None:
    bench("hotpotqa", "--data", tmp_path / "nowhere", "-s", "top_k", "-o", tmp_path, fails=SourceError)
