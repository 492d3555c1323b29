"""What stands in an OpenAI request: messages as plain text, and the files that are attached to them."""

from __future__ import annotations

import base64
import binascii
import io
import mimetypes
from collections.abc import Sequence
from typing import BinaryIO, Literal

from pansophy.server.failures import Refusal
from pansophy.server.openai_schemas import FilePart, MessageIn, Part
from pansophy.types import ChatMessage

_ROLES: dict[str, Literal["system", "user", "assistant"]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "tool": "user",
    "assistant": "assistant",
}


def messages_of(given: Sequence[MessageIn]) -> list[ChatMessage]:
    """The messages' texts; the text parts of one are its paragraphs."""
    return [ChatMessage(_ROLES[message.role], _text_of(message)) for message in given]


def files_of(given: Sequence[MessageIn]) -> list[tuple[str | None, BinaryIO]]:
    """The attached files: name and bytes.

    Raises:
        Refusal: a file is only named, or its data is not base64.
    """
    parts = [part.file for message in given for part in _parts(message) if part.type == "file" and part.file]
    return [_decoded(part, number) for number, part in enumerate(parts, start=1)]


def _text_of(message: MessageIn) -> str:
    if isinstance(message.content, str):
        return message.content
    return "\n\n".join(part.text for part in _parts(message) if part.type == "text" and part.text)


def _parts(message: MessageIn) -> list[Part]:
    parts = message.content if isinstance(message.content, list) else []
    for part in parts:
        if part.type not in ("text", "file"):
            raise Refusal(400, f"content parts of the type {part.type[:40]!r} can't be read here: send text or file")
    return parts


def _decoded(part: FilePart, number: int) -> tuple[str | None, BinaryIO]:
    if part.file_data is None:
        raise Refusal(400, "a file must come with its bytes (file_data): this service keeps no files by id")
    head, comma, data = part.file_data.partition(",")
    if not (comma and head.startswith("data:")):
        head, data = "", part.file_data
    try:
        content = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refusal(400, "the data of a file is not base64") from error
    kind = head.removeprefix("data:").partition(";")[0]
    name = part.filename or f"file-{number}{mimetypes.guess_extension(kind) or '.txt'}"
    return name, io.BytesIO(content)
