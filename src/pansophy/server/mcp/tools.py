"""The tools: what each is told, does and returns.

A tool changes no corpus. An error of ours becomes a result that says so in one line, for the model that called the tool
to read and mend; what was not foreseen is logged here and only named there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from mcp import MCPError
from mcp.server import ServerRequestContext
from mcp.types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
    ToolAnnotations,
)
from pydantic import BaseModel

from pansophy.errors import PansophyError, UsageError
from pansophy.reading.ask import check_settings
from pansophy.runs.secrets import without_environment_key
from pansophy.server.mcp import wording
from pansophy.server.mcp.arguments import (
    MOST_CHARACTERS,
    Arguments,
    AskArguments,
    ListCorporaArguments,
    ReadSpanArguments,
    SearchArguments,
    checked,
)
from pansophy.server.mcp.context import desk_of
from pansophy.server.mcp.offer import Desk, Emit, Offer
from pansophy.server.mcp.progress import told
from pansophy.server.mcp.results import AskResult, CorporaListed, CorpusTold, Hit, SearchResult, SpanRead
from pansophy.types import Span


async def ask(desk: Desk, arguments: AskArguments, emit: Emit) -> AskResult:
    check_settings(desk.offer.strategy_of(arguments), arguments.settings, arguments.trust)
    await asyncio.to_thread(desk.offer.corpus, arguments.corpus)  # is it on offer?
    return AskResult.of(await desk.answer(arguments, emit))


async def search(desk: Desk, arguments: SearchArguments, emit: Emit) -> SearchResult:
    return await asyncio.to_thread(_search, desk.offer, arguments)


def _search(offer: Offer, arguments: SearchArguments) -> SearchResult:
    if not arguments.query.strip():
        raise UsageError("the query is empty: give words to look for")
    found = offer.corpus(arguments.corpus).search(arguments.query, arguments.limit)
    return SearchResult(hits=[Hit.of(hit) for hit in found])


async def read_span(desk: Desk, arguments: ReadSpanArguments, emit: Emit) -> SpanRead:
    return await asyncio.to_thread(_read_span, desk.offer, arguments)


def _read_span(offer: Offer, arguments: ReadSpanArguments) -> SpanRead:
    start, end = arguments.start, arguments.end
    if end <= start:
        raise UsageError(f"the span is empty: end must be greater than start, not {start} to {end}")
    if end - start > MOST_CHARACTERS:
        raise UsageError(
            f"{end - start:,} characters are more than the {MOST_CHARACTERS:,} that are read at once: "
            f"read {start} to {start + MOST_CHARACTERS} first"
        )
    corpus = offer.corpus(arguments.corpus)
    text = corpus.text(Span(arguments.document, start, end))
    characters = corpus.characters(arguments.document)
    return SpanRead(document=arguments.document, start=start, end=end, characters=characters, text=text)


async def list_corpora(desk: Desk, arguments: ListCorporaArguments, emit: Emit) -> CorporaListed:
    infos = await asyncio.to_thread(desk.offer.infos)
    return CorporaListed(corpora=[CorpusTold.of(info) for info in infos])


@dataclass(frozen=True, slots=True)
class Kind:
    """A tool as it is declared."""

    title: str
    description: str
    arguments: type[Arguments]
    result: type[BaseModel]
    run: Callable[[Desk, Any, Emit], Awaitable[BaseModel]]
    in_words: Callable[[Any], str]

    def as_tool(self, name: str) -> Tool:
        return Tool(
            name=name,
            title=self.title,
            description=self.description,
            input_schema=self.arguments.model_json_schema(),
            output_schema=self.result.model_json_schema(mode="serialization"),
            annotations=ToolAnnotations(
                read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
            ),
        )


TOOLS = {
    "ask": Kind(
        "Ask a corpus",
        "Answer a question from a corpus of any size, with citations that are checked to stand in its documents. "
        "Models read it for seconds to minutes; progress is told. For words that you know, search is quicker.",
        AskArguments,
        AskResult,
        ask,
        wording.ask_in_words,
    ),
    "search": Kind(
        "Search a corpus",
        "Find the passages of a corpus that fit words or a question best. No model is asked.",
        SearchArguments,
        SearchResult,
        search,
        wording.search_in_words,
    ),
    "read_span": Kind(
        "Read a document",
        f"Read a part of a document, such as what stands around a citation: at most {MOST_CHARACTERS:,} characters.",
        ReadSpanArguments,
        SpanRead,
        read_span,
        wording.span_in_words,
    ),
    "list_corpora": Kind(
        "List the corpora",
        "Tell which corpora can be asked, searched and read, and how large they are.",
        ListCorporaArguments,
        CorporaListed,
        list_corpora,
        wording.corpora_in_words,
    ),
}


async def list_tools(context: ServerRequestContext[Desk], params: PaginatedRequestParams | None) -> ListToolsResult:
    return ListToolsResult(tools=[kind.as_tool(name) for name, kind in TOOLS.items()])


async def call_tool(context: ServerRequestContext[Desk], params: CallToolRequestParams) -> CallToolResult:
    """Do what a client asks for, and tell it how far that is. Cancelling the task stops it."""
    if (kind := TOOLS.get(params.name)) is None:
        raise MCPError(INVALID_PARAMS, f"there is no tool {params.name!r}: there are {', '.join(TOOLS)}")
    try:
        arguments = checked(kind.arguments, params.arguments or {})
        async with told(context.session) as emit:
            result = await kind.run(desk_of(context), arguments, emit)
    except PansophyError as error:
        return _failed(without_environment_key(str(error)))
    except Exception as error:
        logging.getLogger(__name__).exception("the tool %s failed", params.name)
        return _failed(f"{params.name} failed for a reason that was not foreseen ({type(error).__name__})")
    return CallToolResult(
        content=[TextContent(text=kind.in_words(result))], structured_content=result.model_dump(mode="json")
    )


def _failed(message: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(text=" ".join(message.split()))], is_error=True)
