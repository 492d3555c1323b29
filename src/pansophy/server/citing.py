"""An answer as a chat message: its text, marks for what it cites, and the list of what they stand for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from urllib.parse import quote, urlencode

from pansophy.server.openai_schemas import Annotation, UrlCitation
from pansophy.types import Answer, Evidence, Verdict

LONGEST_QUOTE = 300
WITHOUT_ANSWER = {
    Verdict.NOTHING_FOUND: "Nothing was found in the text that answers this.",
    Verdict.OUT_OF_BUDGET: "The limits of this service were reached before an answer was found.",
}


def cited(answer: Answer, url: Callable[[Evidence], str]) -> tuple[str, list[Annotation]]:
    """The message's content and its annotations; `url` says where a span can be read."""
    text = answer.text.strip() or WITHOUT_ANSWER.get(answer.verdict, "There is no answer.")
    sources = list({(item.document, item.start, item.end): item for item in answer.citations}.values())
    if not sources:
        return text, []
    annotations, content = [], f"{text} "
    for number, item in enumerate(sources, start=1):
        mark = f"[{number}]"
        citation = UrlCitation(
            start_index=len(content),
            end_index=len(content) + len(mark),
            title=item.document,
            url=url(item),
            document=item.document,
            start=item.start,
            end=item.end,
            quote=item.quote,
        )
        annotations.append(Annotation(url_citation=citation))
        content += mark
    return content + _listed(sources), annotations


def _listed(sources: Sequence[Evidence]) -> str:
    lines = [
        f"[{number}] “{_short(item.quote)}” ({item.document}, characters {item.start}-{item.end})"
        for number, item in enumerate(sources, start=1)
    ]
    return "\n\n" + "\n".join(lines)


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= LONGEST_QUOTE else f"{words[:LONGEST_QUOTE].rstrip()} …"


def span_url(base: str, corpus: str) -> Callable[[Evidence], str]:
    """Spans of a stored corpus, read through the REST API at `base`."""

    def url(item: Evidence) -> str:
        query = urlencode({"document": item.document, "start": item.start, "end": item.end})
        return f"{base}api/v1/corpora/{quote(corpus)}/text?{query}"

    return url


def passing_url(item: Evidence) -> str:
    """Spans of a text that came with the request and is gone with it (RFC 5147 says how a span is written)."""
    return f"pansophy:{quote(item.document)}#char={item.start},{item.end}"
