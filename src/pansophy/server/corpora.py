"""`/api/v1/corpora`: keep texts, look into them, search them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, File, Path, Query, Response, UploadFile

from pansophy.corpus import Corpus
from pansophy.server.failures import Refusal
from pansophy.server.schemas import (
    AddedOut,
    CorpusList,
    CorpusOut,
    DocumentList,
    DocumentOut,
    Hit,
    Hits,
    NewCorpus,
    RemovedOut,
    TextOut,
)
from pansophy.server.service import TheAccess, TheService, require
from pansophy.server.uploads import add_uploads
from pansophy.types import Span

router = APIRouter(prefix="/api/v1/corpora", tags=["corpora"])
Name = Annotated[
    str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$", description="The corpus's name.", examples=["letters"])
]
DocumentId = Annotated[str, Query(min_length=1, max_length=1000, examples=["1887/march.txt"])]
Place = Annotated[int | None, Query(ge=0, le=2**62)]


@router.get("", summary="The corpora that you may use")
def list_corpora(service: TheService, access: TheAccess) -> CorpusList:
    return CorpusList(corpora=[CorpusOut.of(info) for info in service.shelf.infos() if access.may_use(info.name)])


@router.post("", status_code=201, summary="Make an empty corpus")
def create(service: TheService, access: TheAccess, body: NewCorpus, response: Response) -> CorpusOut:
    name = require(access, body.name)
    Corpus.create(name, exist_ok=False, chunk_tokens=body.chunk_tokens)
    response.headers["Location"] = f"{router.prefix}/{name}"
    return CorpusOut.of(service.shelf.info(name))


@router.get("/{corpus}", summary="A corpus in one line")
def show(service: TheService, access: TheAccess, corpus: Name) -> CorpusOut:
    return CorpusOut.of(service.shelf.info(require(access, corpus)))


@router.delete("/{corpus}", status_code=204, summary="Delete a corpus with all that is in it")
def delete(service: TheService, access: TheAccess, corpus: Name) -> None:
    service.shelf.take(require(access, corpus)).delete()


@router.post("/{corpus}/documents", status_code=201, summary="Upload files, whole folders among them")
def upload(
    service: TheService,
    access: TheAccess,
    corpus: Name,
    files: Annotated[
        list[UploadFile],
        File(description="The files. A filename may be a path inside a folder (letters/march.txt) and becomes the id."),
    ],
) -> AddedOut:
    opened = service.shelf.take(require(access, corpus))
    return AddedOut.of(*add_uploads(opened, [(item.filename, item.file) for item in files], service.reader))


@router.get("/{corpus}/documents", summary="The documents of a corpus in reading order")
def list_documents(
    service: TheService,
    access: TheAccess,
    corpus: Name,
    offset: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
) -> DocumentList:
    documents = service.shelf.open(require(access, corpus)).documents()
    shown = documents[offset : offset + limit]
    return DocumentList(total=len(documents), documents=[DocumentOut.of(info) for info in shown])


@router.delete("/{corpus}/documents", summary="Remove documents, and every trace of their text")
def remove(
    service: TheService,
    access: TheAccess,
    corpus: Name,
    document: Annotated[list[DocumentId], Query(min_length=1, max_length=1000, description="Ids, one or several.")],
) -> RemovedOut:
    return RemovedOut(removed=service.shelf.take(require(access, corpus)).remove(document))


@router.get("/{corpus}/text", summary="A document's text, or a span of it")
def text(
    service: TheService, access: TheAccess, corpus: Name, document: DocumentId, start: Place = None, end: Place = None
) -> TextOut:
    opened = service.shelf.open(require(access, corpus))
    size = opened.characters(document)
    first, last = start or 0, size if end is None else end
    if not first <= last <= size:
        raise Refusal(400, f"{document} has {size} characters: {first} to {last} does not lie in it")
    read = opened.text(Span(document, first, last))
    return TextOut(document=document, start=first, end=last, characters=size, text=read)


@router.get("/{corpus}/search", summary="The chunks that fit a question best; no model is asked")
def search(
    service: TheService,
    access: TheAccess,
    corpus: Name,
    query: Annotated[str, Query(min_length=1, max_length=10_000, examples=["Who paid for the lighthouse?"])],
    limit: Annotated[int, Query(ge=1, le=200)] = 10,
) -> Hits:
    opened = service.shelf.open(require(access, corpus))
    return Hits(hits=[Hit.of(found) for found in opened.search(query, limit)])
