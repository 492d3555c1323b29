"""`pansophy ask` through its real entry point, against a real HTTP endpoint."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.servers import misbehaving as m

from pansophy.cli.main import main

ROOT = Path(__file__).parent.parent.parent
HANDBOOK = ROOT / "examples" / "handbook.md"
QUESTION = "Who holds the second key of the plate store?"
QUOTE = "There is a second one, in a sealed envelope, with the person who has charge of the Vance telescope."
COMMAND = str(Path(sys.executable).parent / "pansophy")


def reader(request: m.Request) -> m.Reply:
    """A model that finds `QUOTE` in its chunk, or answers from it."""
    if '"rating"' in request.prompt:
        if QUOTE in request.prompt:
            reply = {"relevant": True, "quote": QUOTE, "statement": "The deputy has the second key.", "rating": 95}
        else:
            reply = {"relevant": False, "quote": "", "statement": "", "rating": 0}
    elif "second" in request.prompt.split("Question:")[0]:
        reply = {"answerable": True, "answer": "Tomas Lindqvist", "findings": [1]}
    else:
        reply = {"answerable": False, "answer": "", "findings": []}
    return m.ok(json.dumps(reply))


def blind(request: m.Request) -> m.Reply:
    return m.ok(json.dumps({"relevant": False, "quote": "", "statement": "", "rating": 0}))


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of a user who has set nothing but a key."""
    for name in [name for name in os.environ if name.startswith(("OPENAI_", "PANSOPHY_"))]:
        monkeypatch.delenv(name)
    for name, value in {"PANSOPHY_HOME": str(tmp_path / "home"), "OPENAI_API_KEY": "test", "NO_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    return dict(os.environ)


@pytest.fixture
def process(environment: dict[str, str]) -> Run:
    """Runs the installed command in a process of its own."""

    def call(*arguments: str, typed: str = "") -> Done:
        done = subprocess.run(
            [COMMAND, *arguments], capture_output=True, text=True, timeout=120, env=environment, input=typed
        )
        return Done(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture
def run(environment: dict[str, str], capsys: pytest.CaptureFixture[str]) -> Run:
    """Calls the command's entry in this process, which has the libraries loaded already."""

    def call(*arguments: str) -> Done:
        with pytest.raises(SystemExit) as exit:
            main(arguments)
        output = capsys.readouterr()
        assert isinstance(exit.value.code, int)
        return Done(exit.value.code, output.out, output.err)

    return call


@pytest.fixture
def server() -> Iterator[m.MisbehavingServer]:
    with m.MisbehavingServer(reader) as running:
        yield running


def model(server: m.MisbehavingServer) -> list[str]:
    return ["--model", "test-model", "--base-url", server.base_url, "--window", "4096"]


def test_an_answer_comes_with_its_quote_and_the_line_where_it_stands(process: Run, server: m.MisbehavingServer) -> None:
    done = process("ask", QUESTION, str(HANDBOOK), *model(server))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "Tomas Lindqvist [1]"
    place = re.fullmatch(r"\[1\] (\S+), line (\d+) \(characters (\d+)-(\d+)\)", lines[2])
    assert place
    text = HANDBOOK.read_text(encoding="utf-8")
    assert text[int(place[3]) : int(place[4])] == QUOTE
    assert QUOTE in text.splitlines()[int(place[2]) - 1]
    assert lines[3] == f"    “{QUOTE}”"
    assert done.stderr == ""


def test_json_has_the_promised_shape(run: Run, server: m.MisbehavingServer) -> None:
    done = run("ask", QUESTION, str(HANDBOOK), "--json", *model(server))
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    promised = ("question", "answer", "verdict", "evidence", "rounds", "failed_chunks", "usage", "settings", "run_id")
    assert set(promised) <= set(data)
    assert (data["question"], data["answer"], data["verdict"]) == (QUESTION, "Tomas Lindqvist", "answered")
    evidence = data["evidence"][0]
    assert {"document", "start", "end", "quote", "statement", "rating", "round"} <= set(evidence)
    assert HANDBOOK.read_text(encoding="utf-8")[evidence["start"] : evidence["end"]] == evidence["quote"] == QUOTE
    assert {"calls", "prompt_tokens", "cached_tokens", "completion_tokens", "seconds"} <= set(data["usage"])
    assert data["usage"]["calls"] == len(server.requests)
    assert data["run_id"]


def test_the_same_question_is_answered_from_the_store_unless_fresh(run: Run, server: m.MisbehavingServer) -> None:
    first = run("ask", QUESTION, str(HANDBOOK), *model(server))
    asked = len(server.requests)
    assert asked > 0
    second = run("ask", QUESTION, str(HANDBOOK), *model(server))
    assert len(server.requests) == asked
    assert second.stdout.splitlines()[:4] == first.stdout.splitlines()[:4]
    assert "from the store" in second.stdout
    run("ask", QUESTION, str(HANDBOOK), "--fresh", *model(server))
    assert len(server.requests) > asked


def test_without_a_store_nothing_is_kept_of_the_run(
    run: Run, server: m.MisbehavingServer, environment: dict[str, str]
) -> None:
    done = run("ask", QUESTION, str(HANDBOOK), "--no-store", "--json", *model(server))
    assert json.loads(done.stdout)["run_id"] is None
    assert not list(Path(environment["PANSOPHY_HOME"]).glob("runs*"))


def test_nothing_found_leaves_with_3(run: Run) -> None:
    with m.MisbehavingServer(blind) as server:
        done = run("ask", QUESTION, str(HANDBOOK), *model(server))
    assert done.returncode == 3, done.stderr
    assert "Nothing was found" in done.stdout


@pytest.mark.parametrize("as_json", [True, False])
def test_a_spent_budget_leaves_with_4_and_prints_what_there_is(
    run: Run, server: m.MisbehavingServer, as_json: bool
) -> None:
    done = run("ask", QUESTION, str(HANDBOOK), "--max-calls", "1", *(["--json"] if as_json else []), *model(server))
    assert done.returncode == 4, done.stderr
    assert len(server.requests) == 1
    if as_json:
        assert json.loads(done.stdout)["verdict"] == "out_of_budget"
    else:
        assert "Out of budget" in done.stdout


def test_a_wrong_key_is_one_line_and_leaves_with_1(process: Run) -> None:
    with m.MisbehavingServer(m.wrong_key()) as server:
        done = process("ask", QUESTION, str(HANDBOOK), *model(server))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("pansophy: ")
    assert done.stderr.count("\n") == 1


def test_a_failed_run_is_still_one_json_object(run: Run) -> None:
    with m.MisbehavingServer(m.unknown_model()) as server:
        done = run("ask", QUESTION, str(HANDBOOK), "--json", *model(server))
    assert done.returncode == 1
    assert json.loads(done.stdout)["verdict"] == "failed"
    assert done.stderr.startswith("pansophy: ")


def test_an_endpoint_that_is_down_is_said_to_be(run: Run, server: m.MisbehavingServer) -> None:
    nobody = ["--model", "test-model", "--base-url", "http://127.0.0.1:9/v1", "--window", "4096"]
    done = run("ask", QUESTION, str(HANDBOOK), *nobody)
    assert done.returncode == 1
    assert "127.0.0.1:9" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["  ", "x.md"], "question is empty"),
        (["Who?", "x.md", "--strategy", "guessing"], "extagents"),
        (["Who?", "x.md", "--deadline", "soon"], "not a time"),
        (["Who?", "x.md", "--rounds", "0"], "--rounds"),
        (["Who?", "x.md", "--corpus", "letters"], "not both"),
        (["Who?", "https://example.org/a.txt"], "allow-urls"),
    ],
)
def test_wrong_usage_says_what_is_wrong(run: Run, arguments: list[str], words: str) -> None:
    done = run("ask", *arguments, "--model", "test-model", "--base-url", "http://127.0.0.1:9/v1")
    assert done.returncode == (1 if "example.org" in arguments[1] else 2), done.stderr
    assert words in done.stderr
    assert done.stdout == ""


def test_a_missing_file_is_named(run: Run, server: m.MisbehavingServer) -> None:
    done = run("ask", QUESTION, "nowhere.md", *model(server))
    assert done.returncode == 1
    assert "nowhere.md" in done.stderr
    assert server.requests == []


def test_an_unreadable_source_is_named_and_the_others_are_read(
    run: Run, server: m.MisbehavingServer, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.pdf"
    broken.write_bytes(b"%PDF-1.7\nnothing follows")
    done = run("ask", QUESTION, str(HANDBOOK), str(broken), *model(server))
    assert done.returncode == 0, done.stderr
    assert "Tomas Lindqvist" in done.stdout
    assert done.stderr.startswith("note: ")
    assert "broken.pdf" in done.stderr


def test_standard_input_is_a_source(process: Run, server: m.MisbehavingServer) -> None:
    done = process("ask", QUESTION, "-", *model(server), typed=f"A preface.\n\n{QUOTE}\n")
    assert done.returncode == 0, done.stderr
    assert "line 3" in done.stdout


def test_verbose_shows_every_message_beside_the_answer(run: Run, server: m.MisbehavingServer) -> None:
    done = run("ask", QUESTION, str(HANDBOOK), "--verbose", "--exhaustive", *model(server))
    assert "95 The deputy has the second key." in done.stderr
    assert "nothing here" in done.stderr
    assert done.stdout.startswith("Tomas Lindqvist [1]")


@pytest.mark.parametrize(
    "strategy", ["direct", "top-k", "map-reduce", "running_note", "readagent", "pike-rag", "auto", "no-context"]
)
def test_every_strategy_can_be_chosen(run: Run, strategy: str) -> None:
    everything = {
        "answerable": True,
        "answer": "Lindqvist",
        "quote": QUOTE,
        "confidence": 5,
        "note": QUOTE,
        "rating": 90,
    }
    with m.MisbehavingServer(m.ok(json.dumps(everything))) as server:
        done = run("ask", QUESTION, str(HANDBOOK), "--strategy", strategy, "--json", *model(server))
    assert done.returncode in (0, 3), done.stderr
    assert json.loads(done.stdout)["settings"]["strategy"] == strategy.replace("-", "_")


def test_words_are_counted_by_a_plan_from_a_file(run: Run, server: m.MisbehavingServer, tmp_path: Path) -> None:
    plan, text = tmp_path / "plan.json", tmp_path / "list.txt"
    plan.write_text(json.dumps({"kinds": [{"name": "w", "source": "words"}], "reduce": "most_common", "field": "word"}))
    text.write_text("ox cow ox calf")
    done = run("ask", "Which is it?", str(text), "-s", "aggregation", "--plan", str(plan), *model(server))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ox [1]")


@pytest.mark.parametrize(
    ("content", "words"),
    [("{", "can't be read as JSON"), ('{"reduce": "count"}', "the plan is wrong: kinds: Field required")],
)
def test_a_file_that_is_no_plan_is_named_before_anything_is_asked(
    run: Run, server: m.MisbehavingServer, tmp_path: Path, content: str, words: str
) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text(content)
    done = run("ask", QUESTION, str(HANDBOOK), "-s", "aggregation", "--plan", str(plan), *model(server))
    assert (done.returncode, server.requests) == (2, [])
    assert words in done.stderr


def test_ctrl_c_keeps_what_was_read_and_resume_goes_on(
    run: Run, environment: dict[str, str], server: m.MisbehavingServer
) -> None:
    reasoning = threading.Event()

    def hangs_when_reasoning(request: m.Request) -> m.Reply:
        if '"rating"' in request.prompt or reasoning.is_set():
            return reader(request)
        reasoning.set()
        return m.hang()

    with m.MisbehavingServer(hangs_when_reasoning) as slow:
        asking = subprocess.Popen(
            [COMMAND, "ask", QUESTION, str(HANDBOOK), *model(slow)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        assert reasoning.wait(timeout=60)
        asking.send_signal(signal.SIGINT)
        output, errors = asking.communicate(timeout=60)
        assert (asking.returncode, output) == (130, "")
        kept = re.search(r"pansophy runs resume (\S+)", errors)
        assert kept
        read_before = len(slow.requests)
        done = run("runs", "resume", kept[1])
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("Tomas Lindqvist [1]")
        again = slow.requests[read_before:]
        assert again
        assert not {request.prompt for request in again} & {
            r.prompt for r in slow.requests if r.answered and r not in again
        }


def test_on_a_terminal_the_run_is_drawn_and_wiped_before_the_answer(
    environment: dict[str, str], server: m.MisbehavingServer
) -> None:
    ours, theirs = pty.openpty()
    environment |= {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"}
    asking = subprocess.Popen(
        [COMMAND, "ask", QUESTION, str(HANDBOOK), "--exhaustive", *model(server)],
        stdout=theirs,
        stderr=theirs,
        stdin=theirs,
        env=environment,
    )
    os.close(theirs)
    seen = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # on Linux this is how the other end says that it has closed
            break
        if not piece:
            break
        seen += piece
    os.close(ours)
    assert asking.wait(timeout=60) == 0
    screen = seen.decode("utf-8", "replace")
    assert "chunks read" in screen
    assert "tries" in screen
    answered = screen.rindex("Tomas Lindqvist")
    assert "\x1b[2K" in screen[:answered]  # lines of the view were erased
    assert screen.index("chunks read") < answered
    assert "\x1b[?25h" in screen  # the cursor is back
