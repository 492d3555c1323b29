"""The documents as resources: listed page by page, read by their URI whole or in part.

A resource's text is the document's own, with no word of the server's added.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from typing import NamedTuple
from urllib.parse import parse_qs, quote, unquote

from mcp import MCPError
from mcp.server import ServerRequestContext
from mcp.types import (
    INVALID_PARAMS,
    ListResourcesResult,
    ListResourceTemplatesResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    TextResourceContents,
)

from pansophy.corpus import Corpus, DocumentInfo
from pansophy.errors import PansophyError, UsageError
from pansophy.runs.secrets import without_environment_key
from pansophy.server.mcp.context import desk_of
from pansophy.server.mcp.offer import Desk, Offer
from pansophy.types import Span

PAGE = 100
"""How many documents one page of the list holds."""
MOST_CHARACTERS = 200_000
"""The most characters of one resource that are sent at once."""
SCHEME = "corpus://"
PLAIN = "text/plain"


class Address(NamedTuple):
    """What a URI names: a document, or from `start` to `end` (exclusive; None for its end) of it."""

    corpus: str
    document: str
    start: int = 0
    end: int | None = None


def uri_of(corpus: str, document: str) -> str:
    """The URI of a document."""
    return f"{SCHEME}{quote(corpus, safe='')}/{quote(document, safe='')}"


def address_of(uri: str) -> Address:
    """The inverse of `uri_of`; slashes of a document's id may stand as they are.

    Raises:
        UsageError: `uri` names no document.
    """
    path, _, query = uri.removeprefix(SCHEME).partition("?")
    corpus, _, document = path.partition("/")
    if not (uri.startswith(SCHEME) and corpus and document):
        raise UsageError(f"{uri!r} names no document: write {SCHEME}CORPUS/DOCUMENT")
    given = {name: values[-1] for name, values in parse_qs(query).items()}
    try:
        start, end = int(given.pop("start", 0)), given.pop("end", None)
        if given:
            raise ValueError(f"there is no {', '.join(given)}")
        return Address(unquote(corpus), unquote(document), start, None if end is None else int(end))
    except ValueError as error:
        raise UsageError(f"{uri!r} can't be read: after ? only start=N and end=N may stand ({error})") from error


async def list_resources(
    context: ServerRequestContext[Desk], params: PaginatedRequestParams | None
) -> ListResourcesResult:
    """The next page of all documents of all corpora on offer."""
    try:
        return await asyncio.to_thread(_page, desk_of(context).offer, params.cursor if params else None)
    except PansophyError as error:
        raise _refused(error) from error


def _page(offer: Offer, cursor: str | None) -> ListResourcesResult:
    first, offset = ("", 0) if cursor is None else _read_cursor(cursor)
    resources: list[Resource] = []
    for name in [info.name for info in offer.infos() if info.name >= first]:
        corpus = offer.corpus(name)
        skipped = offset if name == first else 0
        documents = corpus.documents()[skipped:]
        room = PAGE - len(resources)
        resources += [_resource(corpus, info) for info in documents[:room]]
        if len(documents) > room:
            return ListResourcesResult(resources=resources, next_cursor=_cursor(name, skipped + room))
    return ListResourcesResult(resources=resources)


def _resource(corpus: Corpus, info: DocumentInfo) -> Resource:
    return Resource(
        uri=uri_of(corpus.name, info.id),
        name=info.id,
        title=info.title or info.id,
        description=f"{info.characters:,} characters, in the corpus {corpus.name}",
        mime_type=PLAIN,
        size=sum(corpus.chunk_sizes(*corpus.chunk_range(info.id))),
    )


def _cursor(corpus: str, offset: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([corpus, offset]).encode()).decode()


def _read_cursor(cursor: str) -> tuple[str, int]:
    try:
        corpus, offset = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        if not (isinstance(corpus, str) and isinstance(offset, int) and offset >= 0):
            raise ValueError("other types than expected")
    except (ValueError, TypeError, binascii.Error) as error:
        raise UsageError("there is no such page: give the cursor that came with the page before") from error
    return corpus, offset


async def list_resource_templates(
    context: ServerRequestContext[Desk], params: PaginatedRequestParams | None
) -> ListResourceTemplatesResult:
    template = ResourceTemplate(
        uri_template=SCHEME + "{corpus}/{document}{?start,end}",
        name="document",
        title="A document of a corpus",
        description=f"Its text, or characters start to end of it: at most {MOST_CHARACTERS:,} at once.",
        mime_type=PLAIN,
    )
    return ListResourceTemplatesResult(resource_templates=[template])


async def read_resource(context: ServerRequestContext[Desk], params: ReadResourceRequestParams) -> ReadResourceResult:
    """A document's text."""
    try:
        text = await asyncio.to_thread(_text, desk_of(context).offer, address_of(str(params.uri)))
    except PansophyError as error:
        raise _refused(error) from error
    return ReadResourceResult(contents=[TextResourceContents(uri=params.uri, mime_type=PLAIN, text=text)])


def _text(offer: Offer, address: Address) -> str:
    corpus = offer.corpus(address.corpus)
    end = corpus.characters(address.document) if address.end is None else address.end
    if end - address.start > MOST_CHARACTERS:
        raise UsageError(
            f"{end - address.start:,} characters are more than the {MOST_CHARACTERS:,} that are sent at once: "
            f"add ?start={address.start}&end={address.start + MOST_CHARACTERS} to the URI, or use the tool read_span"
        )
    return corpus.text(Span(address.document, address.start, end))


def _refused(error: PansophyError) -> MCPError:
    return MCPError(INVALID_PARAMS, " ".join(without_environment_key(str(error)).split()))
