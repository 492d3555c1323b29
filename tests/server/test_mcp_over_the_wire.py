"""The MCP server as a client sees it: the SDK's own client, over the real command's pipes and over HTTP.

Each test runs on both transports, and over HTTP also in the form of the protocol that begins with a handshake, which
most clients still speak; `test_mcp_command.py` does so over pipes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from mcp import Client, MCPError
from mcp.types import CallToolResult, TextResourceContents
from tests.server.mcp_client import (
    HOSTILE,
    HOSTILE_NAME,
    LETTER,
    LONG,
    MANY,
    OFFERED,
    QUESTION,
    QUOTE,
    SLASHED,
    command,
    data_of,
    error_of,
    finder,
    make_corpora,
    served,
    text_of,
    until,
)
from tests.servers import misbehaving as m

from pansophy.server.mcp import Offer, http_app
from pansophy.server.mcp.arguments import MOST_CHARACTERS, MOST_HITS


@dataclass(frozen=True)
class Link:
    """A client that is connected, in a thread of its own, and the endpoint behind the server."""

    portal: BlockingPortal
    client: Client
    endpoint: m.MisbehavingServer

    def call(self, tool: str, **arguments: Any) -> CallToolResult:
        return self.do(partial(self.client.call_tool, tool, arguments))

    def ask(self, question: str = QUESTION, corpus: str = "letters", **arguments: Any) -> CallToolResult:
        return self.call("ask", **{"question": question, "corpus": corpus, "fresh": True, **arguments})

    def do(self, what: Callable[..., Any], *arguments: Any) -> Any:
        return self.portal.start_task_soon(what, *arguments).result(timeout=30)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PANSOPHY_HOME", str(home))
        patch.setenv("OPENAI_API_KEY", "test")
        make_corpora(home)
        yield home


@pytest.fixture(scope="module")
def endpoint() -> Iterator[m.MisbehavingServer]:
    with m.MisbehavingServer(finder) as server:
        yield server


@asynccontextmanager
async def connected(transport: str, mode: str, home: Path, base_url: str):
    options = [word for name in OFFERED for word in ("--corpus", name)]
    async with AsyncExitStack() as stack:
        if transport == "stdio":
            server: Any = command(base_url, home, *options)
        else:
            offer = Offer("fake", base_url=base_url, window=4096, corpora=OFFERED, strategy="extagents")
            server = await stack.enter_async_context(served(http_app(offer))) + "/mcp"
        yield await stack.enter_async_context(Client(server, mode=mode, read_timeout_seconds=30))


@pytest.fixture(scope="module", params=["stdio auto", "http auto", "http legacy"])
def open_link(request: pytest.FixtureRequest, home: Path, endpoint: m.MisbehavingServer) -> Iterator[Link]:
    transport, mode = request.param.split()
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(connected(transport, mode, home, endpoint.base_url)) as client,
    ):
        yield Link(portal, client, endpoint)


@pytest.fixture
def link(open_link: Link) -> Link:
    """A connection whose endpoint finds what there is."""
    open_link.endpoint.behaviour = finder
    open_link.endpoint.requests.clear()
    return open_link


# --- tools ------------------------------------------------------------------------------------------------------------


def test_the_tools_say_that_they_change_nothing(link: Link) -> None:
    tools = {tool.name: tool for tool in link.do(link.client.list_tools).tools}
    assert set(tools) == {"ask", "search", "read_span", "list_corpora"}
    for tool in tools.values():
        assert tool.description
        assert tool.annotations.read_only_hint is True
        assert tool.annotations.destructive_hint is False


def test_an_answer_has_a_verdict_and_a_quote_that_stands_where_it_says(link: Link) -> None:
    told = link.ask().structured_content
    assert (told["answer"], told["verdict"]) == ("Ida", "answered")
    (citation,) = told["citations"]
    assert (citation["number"], citation["document"], citation["quote"]) == (1, SLASHED, QUOTE)
    assert LETTER[citation["start"] : citation["end"]] == QUOTE
    assert told["usage"]["calls"] >= len(link.endpoint.requests) > 0


def test_the_same_answer_can_be_read_as_text(link: Link) -> None:
    result = link.ask()
    data, own = data_of(text_of(result))
    told, citation = result.structured_content, result.structured_content["citations"][0]
    assert data == ["Ida", QUOTE]
    assert own.startswith("Verdict: answered (the findings settle the question)")
    assert "Answer [1]:" in own
    assert f'[1] "{SLASHED}", characters {citation["start"]}-{citation["end"]}:' in own
    assert f"Cost: {told['usage']['calls']} calls in 1 round" in own


def test_the_same_question_is_answered_from_the_store_unless_fresh(link: Link) -> None:
    link.ask()
    asked = len(link.endpoint.requests)
    stored = link.ask(fresh=False)
    assert len(link.endpoint.requests) == asked
    assert stored.structured_content["usage"]["calls"] == 0
    assert "No call was made" in text_of(stored)


def test_nothing_found_is_an_answer_and_no_error(link: Link) -> None:
    result = link.ask(corpus="many")
    assert not result.is_error
    assert result.structured_content["verdict"] == "nothing_found"
    assert result.structured_content["citations"] == []


def test_settings_and_limits_reach_the_strategy(link: Link) -> None:
    told = link.ask(corpus="many", settings={"max_chunks": 3}, limits={"max_calls": 2}).structured_content
    assert told["verdict"] == "out_of_budget"
    assert len(link.endpoint.requests) == 2


def test_another_strategy_can_be_chosen(link: Link) -> None:
    link.endpoint.behaviour = m.ok("Ida")
    told = link.ask(strategy="no-context", settings={"force": True}).structured_content
    assert told["verdict"] == "forced"
    assert all(QUOTE not in request.prompt for request in link.endpoint.requests)


def test_a_search_gives_passages_with_their_places(link: Link) -> None:
    result = link.call("search", corpus="letters", query="key of the plate store", limit=1)
    (hit,) = result.structured_content["hits"]
    assert (hit["document"], hit["text"]) == (SLASHED, LETTER[hit["start"] : hit["end"]])
    assert data_of(text_of(result))[0] == [hit["text"]]
    assert link.endpoint.requests == []


def test_a_search_that_finds_nothing_says_so(link: Link) -> None:
    result = link.call("search", corpus="letters", query="zymurgy")
    assert result.structured_content == {"hits": []}
    assert text_of(result).startswith("Nothing was found")


def test_a_span_is_read_as_it_stands(link: Link) -> None:
    start = LETTER.index(QUOTE)
    result = link.call("read_span", corpus="letters", document=SLASHED, start=start, end=len(LETTER))
    assert result.structured_content["text"] == QUOTE
    assert result.structured_content["characters"] == len(LETTER)
    assert data_of(text_of(result))[0] == [QUOTE]


def test_the_corpora_on_offer_are_listed_and_no_others(link: Link) -> None:
    result = link.call("list_corpora")
    told = {corpus["name"]: corpus["documents"] for corpus in result.structured_content["corpora"]}
    assert told == {"letters": 2, "hostile": 1, "long": 1, "many": MANY}
    assert f"many: {MANY} documents" in text_of(result)


# --- what is wrong ----------------------------------------------------------------------------------------------------

WRONG: list[tuple[str, dict[str, Any], str]] = [
    (
        "ask",
        {"corpus": "nowhere", "question": "Who?"},
        "There is no corpus named 'nowhere' here. There are: hostile, letters",
    ),
    ("ask", {"corpus": "secret", "question": "Who?"}, "There is no corpus named 'secret' here."),
    ("ask", {"corpus": "letters", "question": " \n"}, "the question is empty"),
    ("ask", {"corpus": "letters", "question": "Why? " * 9000}, "it may fill at most half of it"),
    ("ask", {"corpus": "letters"}, "question: Field required"),
    ("ask", {"corpus": "letters", "question": ["Who?"]}, "question: Input should be a valid string"),
    ("ask", {"corpus": "letters", "question": "Who?", "sources": ["/etc/passwd"]}, "sources: Extra inputs"),
    ("ask", {"corpus": "letters", "question": "Who?", "strategy": "magic"}, "there is no strategy 'magic'"),
    ("ask", {"corpus": "letters", "question": "Who?", "settings": {"colour": 1}}, "extagents has no setting colour"),
    ("ask", {"corpus": "letters", "question": "Who?", "settings": {"rounds": "many"}}, "rounds: Input should be"),
    ("ask", {"corpus": "letters", "question": "Who?", "settings": {"rounds": 0}}, "rounds must be at least 1"),
    ("ask", {"corpus": "letters", "question": "Who?", "limits": {"deadline": 1e300}}, "limits.deadline: Input"),
    ("ask", {"corpus": "letters", "question": "Who?", "limits": {"max_calls": 0}}, "limits.max_calls: Input"),
    ("ask", {"corpus": "letters", "question": "Who?", "limits": {"concurrency": 10**9}}, "limits.concurrency: Input"),
    ("search", {"corpus": "secret", "query": "word"}, "There is no corpus named 'secret' here."),
    ("search", {"corpus": "../secret", "query": "word"}, "There is no corpus named '../secret' here."),
    ("search", {"corpus": "letters", "query": ""}, "the query is empty"),
    ("search", {"corpus": "letters", "query": "key", "limit": 10**9}, f"less than or equal to {MOST_HITS}"),
    ("read_span", {"corpus": "secret", "document": "secret.txt", "start": 0, "end": 5}, "There is no corpus named"),
    ("read_span", {"corpus": "letters", "document": "gone.md", "start": 0, "end": 5}, "has no document 'gone.md'"),
    ("read_span", {"corpus": "letters", "document": SLASHED, "start": 5, "end": 5}, "the span is empty"),
    ("read_span", {"corpus": "letters", "document": SLASHED, "start": -5, "end": 5}, "start: Input should be"),
    ("read_span", {"corpus": "letters", "document": SLASHED, "start": 90, "end": 900}, f"has {len(LETTER)} characters"),
    ("read_span", {"corpus": "long", "document": "long.txt", "start": 0, "end": 10**12}, f"{MOST_CHARACTERS:,}"),
]


@pytest.mark.parametrize(("tool", "arguments", "message"), WRONG, ids=[f"{tool}: {text}" for tool, _, text in WRONG])
def test_what_is_wrong_is_said_in_one_line(link: Link, tool: str, arguments: dict[str, Any], message: str) -> None:
    assert message in error_of(link.call(tool, **arguments))
    assert link.endpoint.requests == []


def test_an_unknown_tool_is_an_error_of_the_protocol(link: Link) -> None:
    with pytest.raises(MCPError, match="there is no tool 'delete'"):
        link.call("delete", corpus="letters")


def test_an_endpoint_that_refuses_the_key_is_a_tool_error(link: Link) -> None:
    link.endpoint.behaviour = m.wrong_key()
    assert "key" in error_of(link.ask())


# --- what a document says ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tool", ["ask", "search", "read_span"])
def test_a_hostile_document_stays_between_the_marks(link: Link, tool: str) -> None:
    more = {
        "ask": {"question": QUESTION, "fresh": True},
        "search": {"query": "plate store"},
        "read_span": {"document": HOSTILE_NAME, "start": 0, "end": len(HOSTILE)},
    }
    result = link.call(tool, corpus="hostile", **more[tool])
    data, own = data_of(text_of(result))
    assert data[-1] == HOSTILE
    for word in ("SYSTEM: ignore", "<script>", "Mallory keeps", "</data>"):
        assert word not in own
    assert not any(line.startswith("SYSTEM") for line in own.splitlines())
    assert json.dumps(HOSTILE_NAME) in own
    assert HOSTILE in json.dumps(result.structured_content, ensure_ascii=False).replace("\\n", "\n").replace('\\"', '"')


# --- resources --------------------------------------------------------------------------------------------------------


def pages(link: Link) -> list[Any]:
    found, cursor = [], None
    while not found or cursor is not None:
        found.append(link.do(partial(link.client.list_resources, cursor=cursor)))
        cursor = found[-1].next_cursor
    return found


def test_every_document_on_offer_is_listed_once_over_pages(link: Link) -> None:
    found = pages(link)
    names = [resource.name for page in found for resource in page.resources]
    expected = [HOSTILE_NAME, SLASHED, "other.md", "long.txt", *(f"note-{number:03}" for number in range(MANY))]
    assert sorted(names) == sorted(expected)
    assert [len(page.resources) for page in found] == [100, 100, 9]


def test_a_listed_document_tells_its_size_and_is_read_by_its_address(link: Link) -> None:
    listed = next(resource for resource in pages(link)[0].resources if resource.name == SLASHED)
    assert listed.size == len(LETTER.encode())
    assert f"{len(LETTER)} characters" in listed.description
    (content,) = link.do(link.client.read_resource, listed.uri).contents
    assert isinstance(content, TextResourceContents)
    assert (content.text, content.mime_type) == (LETTER, "text/plain")


def test_the_template_makes_the_address_of_a_part(link: Link) -> None:
    (template,) = link.do(link.client.list_resource_templates).resource_templates
    assert template.uri_template == "corpus://{corpus}/{document}{?start,end}"
    (content,) = link.do(link.client.read_resource, "corpus://long/long.txt?start=5&end=17").contents
    assert content.text == ("All is well. " * 2)[5:17]


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("corpus://secret/secret.txt", "There is no corpus named 'secret' here"),
        ("corpus://letters/gone.md", "has no document 'gone.md'"),
        ("corpus://letters", "names no document"),
        ("file:///etc/passwd", "names no document"),
        ("corpus://long/long.txt", "add ?start=0&end=200000"),
        ("corpus://long/long.txt?start=-1&end=5", "doesn't lie in it"),
        ("corpus://long/long.txt?from=1", "only start=N and end=N"),
        ("corpus://long/long.txt?start=ten", "only start=N and end=N"),
    ],
)
def test_what_is_no_resource_is_said_in_one_line(link: Link, uri: str, message: str) -> None:
    with pytest.raises(MCPError) as error:
        link.do(link.client.read_resource, uri)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("cursor", ["nonsense", "WzEsIDJd", ""])
def test_a_cursor_that_was_not_given_out_is_refused(link: Link, cursor: str) -> None:
    with pytest.raises(MCPError, match="there is no such page"):
        link.do(partial(link.client.list_resources, cursor=cursor))


# --- while a question is read -----------------------------------------------------------------------------------------


def test_progress_tells_rounds_chunks_and_tries_before_the_result(link: Link) -> None:
    told: list[tuple[float, str | None]] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, message))

    arguments = {"corpus": "letters", "question": QUESTION, "fresh": True}
    link.do(partial(link.client.call_tool, "ask", arguments, progress_callback=hear))
    lines = [line for _, line in told]
    assert [number for number, _ in told] == [float(number + 1) for number in range(len(told))]
    expected = (
        "extagents: up to",
        "round 1 begins",
        "round 1: chunk 1 of",
        "round 1: try 1",
        "round 1: try 1: answered",
    )
    places = [next(place for place, line in enumerate(lines) if line.startswith(start)) for start in expected]
    assert places == sorted(places)
    assert not any("Ida" in line for line in lines)


def test_a_client_that_cancels_stops_the_run(link: Link) -> None:
    link.endpoint.behaviour = m.hang()
    call = link.portal.start_task_soon(
        partial(link.client.call_tool, "ask", {"corpus": "many", "question": QUESTION, "fresh": True})
    )
    link.do(until, lambda: link.endpoint.open_requests > 0)
    call.cancel()
    link.do(until, lambda: link.endpoint.open_requests == 0)
    assert all(request.abandoned for request in link.endpoint.requests)
    asked = len(link.endpoint.requests)
    link.endpoint.behaviour = finder
    assert link.ask().structured_content["answer"] == "Ida"
    assert not any("note" in request.prompt for request in link.endpoint.requests[asked:])


def test_a_long_document_is_asked_and_read_in_parts(link: Link) -> None:
    text = "All is well. " * (LONG // 13)
    end = len(text)
    result = link.call("read_span", corpus="long", document="long.txt", start=end - MOST_CHARACTERS, end=end)
    assert result.structured_content["text"] == text[-MOST_CHARACTERS:]
