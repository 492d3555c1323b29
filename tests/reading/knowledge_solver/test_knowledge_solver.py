"""A scripted model that walks, graphs from files, entities in texts, dialogues to learn from."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import networkx
import pytest

from pansophy import ChatMessage, ScriptedModel
from pansophy.errors import SourceError, UsageError
from pansophy.reading.knowledge_solver import KnowledgeGraph, KnowledgeSolver, NameLinker, Status, build_dialogues
from pansophy.reading.knowledge_solver.dialogues import Choice, write_dialogues

TRIPLES = [
    ("scurvy", "is caused by lack of", "vitamin C"),
    ("lemon", "contains", "vitamin C"),
    ("bread", "contains", "starch"),
    ("scurvy", "was common among", "sailors"),
    ("sailors", "ate", "bread"),
    ("smiths", "made", "nails"),
]
QUESTION = "Which food helps against scurvy?"
Prompt = Sequence[ChatMessage]


def heading_for(*names: str, letter: str = "A") -> ScriptedModel:
    """Goes to the first of `names` that is listed, else to the first listed; answers with `letter`."""

    def say(prompt: Prompt, schema: Any) -> str:
        text = prompt[-1].content
        if "letter" in text:
            return letter
        listed = re.findall(r"^(\d+)\. ([^:(]+)", text, re.MULTILINE)
        chosen = next(((n, one) for name in names for n, one in listed if one.strip() == name), listed[0])
        return f"{chosen[0]}. {chosen[1].strip()}"

    return ScriptedModel(say)


async def test_the_model_walks_to_an_option_and_the_path_explains_it() -> None:
    model = heading_for("vitamin C", "lemon")
    done = await KnowledgeSolver(KnowledgeGraph(TRIPLES), model).asolve(QUESTION, ["bread", "lemon"])
    assert (done.answer, done.option, done.status) == ("lemon", 1, Status.REACHED)
    assert [edge.triple for edge in done.path] == [TRIPLES[0], TRIPLES[1]]
    assert done.usage.calls == 2
    assert json.loads(json.dumps(done.to_dict()))["path"][0] == list(TRIPLES[0])


async def test_the_dialogue_takes_turns_and_shows_facts_as_they_are_told() -> None:
    model = heading_for("vitamin C", "lemon")
    await KnowledgeSolver(KnowledgeGraph(TRIPLES), model).asolve(QUESTION, ["bread", "lemon"])
    last = model.calls[-1].messages
    assert [message.role for message in last] == ["system", "user", "assistant", "user"]
    assert "lemon (an answer): lemon contains vitamin C" in last[-1].content


async def test_the_letters_and_order_of_the_options_change_no_step() -> None:
    paths = []
    for options in (["bread", "lemon"], ["lemon", "bread"]):
        model = heading_for("vitamin C", "lemon")
        done = await KnowledgeSolver(KnowledgeGraph(TRIPLES), model).asolve(QUESTION, options)
        paths.append((done.path, done.answer))
    assert paths[0] == paths[1]


@pytest.mark.parametrize(
    ("question", "options", "status"),
    [
        ("Who sailed?", ["bread", "lemon"], Status.NO_ENTITY),
        (QUESTION, ["iron", "gold"], Status.NO_ENTITY),
        (QUESTION, ["iron", "nails"], Status.DISCONNECTED),
    ],
)
async def test_without_a_way_the_model_answers_by_itself_and_the_status_says_so(
    question: str, options: list[str], status: Status
) -> None:
    model = heading_for(letter="B")
    done = await KnowledgeSolver(KnowledgeGraph(TRIPLES), model).asolve(question, options)
    assert (done.answer, done.option, done.status, done.path) == (options[1], 1, status, ())


async def test_at_the_limit_the_model_is_shown_the_facts_that_were_found() -> None:
    model = heading_for("sailors", letter="B")
    solver = KnowledgeSolver(KnowledgeGraph(TRIPLES), model, settings={"hops": 1})
    done = await solver.asolve(QUESTION, ["lemon", "bread"])
    assert (done.status, done.answer) == (Status.LIMIT, "bread")
    assert "scurvy was common among sailors" in model.calls[-1].messages[-1].content


async def test_an_option_named_before_it_is_reached_answers_early() -> None:
    model = ScriptedModel(["lemon"])
    done = await KnowledgeSolver(KnowledgeGraph(TRIPLES), model).asolve(QUESTION, ["bread", "lemon"])
    assert (done.status, done.option, done.path) == (Status.ANSWERED_EARLY, 1, ())


async def test_a_reply_that_names_no_option_is_kept_as_it_is() -> None:
    model = ScriptedModel(["perhaps both, bread and lemon"])
    done = await KnowledgeSolver(KnowledgeGraph(TRIPLES), model).asolve("Who sailed?", ["bread", "lemon"])
    assert (done.option, done.answer) == (None, "perhaps both, bread and lemon")


async def test_without_options_the_model_stops_and_answers_from_the_path() -> None:
    model = ScriptedModel(["vitamin C", "STOP", "It lacks vitamin C."])
    done = await KnowledgeSolver(KnowledgeGraph(TRIPLES), model).asolve("What does scurvy come from?")
    assert (done.answer, done.status) == ("It lacks vitamin C.", Status.ANSWERED_EARLY)
    assert "scurvy is caused by lack of vitamin C" in model.calls[-1].messages[-1].content


@pytest.mark.parametrize(
    ("question", "options"), [(" ", ["a", "b"]), ("who?", ["a"]), ("who?", ["a", "A "]), ("who?", ["a", " "])]
)
async def test_a_choice_that_is_none_is_refused(question: str, options: list[str]) -> None:
    with pytest.raises(UsageError):
        await KnowledgeSolver(KnowledgeGraph(TRIPLES), ScriptedModel([])).asolve(question, options)


def test_a_store_of_another_kind_needs_a_linker() -> None:
    class Store:
        def neighbours(self, node: str) -> list[Any]:
            return []

        def name(self, node: str) -> str:
            return node

    with pytest.raises(UsageError, match="linker"):
        KnowledgeSolver(Store(), ScriptedModel([]))
    KnowledgeSolver(Store(), ScriptedModel([]), linker=NameLinker([("lemon", "x1")]))


# --- graphs and names -------------------------------------------------------------------------------------------------


def test_longer_names_come_before_shorter_ones_and_plurals_are_the_same() -> None:
    linker = NameLinker([("vitamin", "v"), ("vitamin C", "c"), ("lemons", "l"), ("of", "o"), ("维生素", "w")])
    assert linker("Do lemon trees need vitamin C, of all vitamins?") == ["l", "c", "v"]
    assert linker("缺乏维生素的水手") == ["w"]
    assert linker.exact("Vitamin C") == ["c"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("g.csv", 'head,relation,tail\nscurvy,lacks,"vitamin C"\n'),
        ("g.tsv", "scurvy\tlacks\tvitamin C\n"),
        ("g.jsonl", '{"head": "scurvy", "relation": "lacks", "tail": "vitamin C"}\n'),
    ],
)
def test_a_graph_is_read_from_a_file_of_triples(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert KnowledgeGraph.from_file(tmp_path / name).triples == (("scurvy", "lacks", "vitamin C"),)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("g.csv", "a,b\n", "line 1"),
        ("g.csv", "a,r,b\nc,,d\n", "line 2"),
        ("g.tsv", "", "no triples"),
        ("g.jsonl", "{}\n", "line 1"),
        ("g.jsonl", "no\n", "line 1"),
        ("g.txt", "a,r,b\n", "its name"),
        ("nowhere.csv", None, "can't be read"),
    ],
)
def test_a_broken_file_is_refused_with_the_place(tmp_path: Path, name: str, text: str | None, told: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(SourceError, match=told):
        KnowledgeGraph.from_file(tmp_path / name)


def test_a_networkx_graph_with_several_edges_and_loops_is_taken() -> None:
    graph = networkx.MultiDiGraph()
    graph.add_node(1, name="Ada")
    graph.add_edge(1, 2, relation="likes")
    graph.add_edge(1, 2, relation="knows")
    graph.add_edge(1, 1, relation="is")
    taken = KnowledgeGraph.from_networkx(graph)
    assert taken.triples == (("1", "likes", "2"), ("1", "knows", "2"))
    assert (taken.name("1"), taken.name("2")) == ("Ada", "2")
    assert [edge.inverse for edge in taken.neighbours("2")] == [True, True]


# --- dialogues --------------------------------------------------------------------------------------------------------


async def test_dialogues_lead_to_the_right_answer_in_the_turns_that_the_solver_takes(tmp_path: Path) -> None:
    model = heading_for("vitamin C", "lemon")
    solver = KnowledgeSolver(KnowledgeGraph(TRIPLES), model)
    made = build_dialogues(solver, [Choice(QUESTION, ("bread", "lemon"), 1), Choice("Who?", ("bread", "lemon"), 0)])
    assert made.drops == {"the question names no entity": 1}
    (chat,) = made.chats
    await solver.asolve(QUESTION, ["bread", "lemon"])
    assert chat[:-1] == model.calls[-1].messages
    assert chat[-1].content.endswith("lemon")
    write_dialogues(made, tmp_path / "walks.jsonl")
    (line,) = (tmp_path / "walks.jsonl").read_text().splitlines()
    assert [message["role"] for message in json.loads(line)["messages"]] == [
        "system", "user", "assistant", "user", "assistant",
    ]  # fmt: skip


def test_a_question_whose_way_leads_over_a_wrong_answer_is_left_out() -> None:
    graph = KnowledgeGraph([("scurvy", "r", "bread"), ("bread", "r", "lemon")])
    made = build_dialogues(KnowledgeSolver(graph, ScriptedModel([])), [Choice(QUESTION, ("bread", "lemon"), 1)])
    assert made.drops == {"no path leads from the question to the right answer": 1}
