"""OpenAI's chat API as pydantic models: the part of it that means something here. Other fields are ignored."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pansophy.types import Usage


class FilePart(BaseModel):
    filename: str | None = None
    file_data: str | None = Field(
        default=None, description="The bytes in base64, with or without `data:TYPE;base64,` before."
    )
    file_id: str | None = None


class Part(BaseModel):
    type: str
    text: str | None = None
    file: FilePart | None = None


class MessageIn(BaseModel):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[Part] | None = None


class StreamOptions(BaseModel):
    include_usage: bool = False


class ChatRequest(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model": "pansophy/letters",
                    "messages": [{"role": "user", "content": "Who relieved the keeper in March?"}],
                    "stream": False,
                }
            ]
        }
    )
    model: str = Field(description="`pansophy/CORPUS`, or `pansophy` to read what the request holds.")
    messages: list[MessageIn] = Field(min_length=1)
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), le=2**63 - 1)] | None = None
    stop: str | list[str] | None = None
    n: int | None = Field(default=None, description="Only 1.")
    tools: list[Any] | None = Field(default=None, description="None: whoever reads here calls no tools.")
    store: bool | None = Field(default=None, description="False to keep nothing of what was asked and read.")


class UrlCitation(BaseModel):
    start_index: int = Field(description="Where the citation's mark begins in the content.")
    end_index: int
    title: str = Field(description="The document's id.")
    url: str = Field(description="Where the quoted span can be read.")
    document: str
    start: int
    end: int
    quote: str


class Annotation(BaseModel):
    type: Literal["url_citation"] = "url_citation"
    url_citation: UrlCitation


class MessageOut(BaseModel):
    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None
    annotations: list[Annotation] = []


class Choice(BaseModel):
    index: int = 0
    message: MessageOut
    finish_reason: str
    logprobs: None = None


class PromptDetails(BaseModel):
    cached_tokens: int


class UsageCounts(BaseModel):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptDetails

    @classmethod
    def of(cls, usage: Usage) -> UsageCounts:
        return cls(
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            total_tokens=usage.prompt_tokens + usage.completion_tokens,
            prompt_tokens_details=PromptDetails(cached_tokens=usage.cached_tokens),
        )


class About(BaseModel):
    """What OpenAI's form has no place for."""

    verdict: str
    run: str | None
    warnings: list[str]


class ChatCompletion(BaseModel):
    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: UsageCounts
    pansophy: About | None = None


class Model(BaseModel):
    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "pansophy"


class Models(BaseModel):
    object: Literal["list"] = "list"
    data: list[Model]
