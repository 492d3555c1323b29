"""What the tools are told, as types: their JSON schemas, their bounds, and what is wrong with arguments in one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pansophy.errors import UsageError
from pansophy.reading.ask import STRATEGIES
from pansophy.server.schemas import LimitsIn

MOST_HITS = 50
"""The most chunks that one search returns."""
MOST_CHARACTERS = 20_000
"""The most characters that one span may have."""

CorpusName = Annotated[str, Field(description="The name of a corpus, as list_corpora tells it.")]
Bounded = TypeVar("Bounded", bound=BaseModel)


class Arguments(BaseModel):
    """Base of what a tool is told: nothing that it doesn't know is taken, and no number stands for a text."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class AskArguments(Arguments):
    corpus: CorpusName
    question: str = Field(description="What you want to know, in any language. Ask for one thing at a time.")
    strategy: str | None = Field(
        None,
        description="How to read; the server's own choice where none is given. 'auto' chooses by the question, the "
        "length of the text and the limits.",
        json_schema_extra={"enum": [*STRATEGIES, None]},
    )
    settings: dict[str, Any] = Field({}, description="Settings of the strategy, where they differ from its defaults.")
    trust: Literal["text", "model", "majority", "rating", "newest", "swap"] | None = Field(
        None,
        description="Look for contradictions among the sources, and with what the model remembers, and say whose word "
        "counts. Costs up to ten more calls.",
    )
    limits: LimitsIn = Field(LimitsIn(), description="What the question may take.")
    fresh: bool = Field(False, description="Ask anew although the answer to the same question is stored.")


class SearchArguments(Arguments):
    corpus: CorpusName
    query: str = Field(description="Words or a question. No character has a special meaning.")
    limit: int = Field(5, ge=1, le=MOST_HITS, description="The most passages returned.")


class ReadSpanArguments(Arguments):
    corpus: CorpusName
    document: str = Field(description="The document's id, as search, ask or the list of resources tells it.")
    start: int = Field(ge=0, description="The first character, from 0.")
    end: int = Field(ge=0, description=f"One past the last character: at most {MOST_CHARACTERS:,} after start.")


class ListCorporaArguments(Arguments):
    pass


def checked(kind: type[Bounded], given: Mapping[str, Any]) -> Bounded:
    """`given` as arguments of this kind; null stands for one that is left out.

    Raises:
        UsageError: they aren't; says what is wrong with each.
    """
    try:
        return kind.model_validate({name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise UsageError(_faults(error)) from error


def _faults(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in faults)
