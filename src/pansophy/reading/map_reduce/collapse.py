"""The collapse of map-reduce: neighbouring messages are merged until all of them fit into one prompt.

It always ends: each pass has fewer messages and fewer tokens than the one before, or it is the last one. What then
still doesn't fit is dropped, the least confident first, and the user is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pansophy.engine import complete_as
from pansophy.errors import AuthenticationFailed, ModelError, UnknownModel, UsageError
from pansophy.events import NoteWritten
from pansophy.models import ChatModel
from pansophy.reading.map_reduce.messages import MapReply, Message, is_empty, merge_prompt, reduce_prompt
from pansophy.reading.passages import each, fits
from pansophy.reading.strategy import Session


def group_neighbours(sizes: Sequence[int], most: int) -> list[range]:
    """Neighbours in groups whose sizes add up to at most `most`, filled greedily from the left.

    Returns:
        Ranges of positions that cover all positions in order, each once.

    Raises:
        ValueError: a size alone exceeds `most`.
    """
    groups: list[range] = []
    start = total = 0
    for position, size in enumerate(sizes):
        if size > most:
            raise ValueError(f"a message of {size} tokens doesn't fit into a group of {most}")
        if total + size > most:
            groups.append(range(start, position))
            start, total = position, 0
        total += size
    if sizes:
        groups.append(range(start, len(sizes)))
    return groups


def most_confident(messages: Sequence[Message], most: int) -> list[Message]:
    """The most confident messages whose sizes add up to at most `most`, in the order of the text.

    Of equally confident ones the earlier is kept.
    """
    kept: list[int] = []
    total = 0
    for position in sorted(range(len(messages)), key=lambda position: (-messages[position].confidence, position)):
        if total + messages[position].tokens <= most:
            kept.append(position)
            total += messages[position].tokens
    return [messages[position] for position in sorted(kept)]


async def measured(model: ChatModel, message: Message) -> Message:
    """With its size in a prompt. The number in front and the blank line behind it count as well."""
    return replace(message, tokens=await model.count_tokens(message.shown(1000) + "\n\n") + 2)


@dataclass(frozen=True, slots=True)
class Collapse:
    """Merges the messages of one question by `model`, up to `width` merges at once."""

    session: Session
    model: ChatModel
    message_tokens: int
    answer_tokens: int
    width: int

    async def run(self, messages: list[Message]) -> list[Message]:
        """Merge neighbours until all messages fit into the reduce prompt.

        Returns:
            What is left of them, in the order of the text; fewer tokens than the window has for them.
        """
        question = self.session.question
        most = self.model.window - self.answer_tokens - await self._overhead()
        room = self.model.window - self.message_tokens - await self.model.count_prompt(merge_prompt(question, ()))
        messages = [await self._shortened(message, min(most, room)) for message in messages]
        while not await self._all_fit(messages):
            groups = group_neighbours([message.tokens for message in messages], room)
            merged = await self._merge_all([[messages[position] for position in group] for group in groups])
            shorter = [await self._shortened(message, min(most, room)) for message in merged]
            if _total(shorter) >= _total(messages):
                break
            messages = shorter
        return messages if await self._all_fit(messages) else await self._kept(messages, most)

    async def _merge_all(self, groups: Sequence[Sequence[Message]]) -> list[Message]:
        numbered = list(enumerate(groups, start=1))
        merged = await each(numbered, lambda one: self._merge(one[1], one[0], len(groups)), self.width)
        return [message for message in merged if message is not None]

    async def _merge(self, group: Sequence[Message], step: int, of: int) -> Message | None:
        """One message for a group of neighbours; their surest one if the merge fails, None if nothing is left."""
        if len(group) == 1:
            return group[0]
        chunks = tuple(sorted({number for message in group for number in message.chunks}))
        try:
            reply, completion = await complete_as(
                self.session.engine,
                self.model,
                merge_prompt(self.session.question, group),
                MapReply,
                max_tokens=self.message_tokens,
            )
            if reply is None:
                raise ModelError(f"{self.model.name} did not follow the form of the reply")
        except (AuthenticationFailed, UnknownModel):
            raise
        except ModelError as error:
            self.session.warn(
                f"the reports on parts {_numbers(chunks)} could not be merged; the surest was kept ({error})"
            )
            return max(group, key=lambda message: message.confidence)
        self.session.emit(NoteWritten(step=step, of=of, text=reply.answer or reply.information, usage=completion.usage))
        if is_empty(reply):
            return None
        evidence = tuple(item for message in group for item in message.evidence)
        merged = Message(reply.information, reply.rationale, reply.answer, reply.confidence, chunks, evidence)
        return await measured(self.model, merged)

    async def _shortened(self, message: Message, most: int) -> Message:
        """`message` with its longest field halved until it has at most `most` tokens."""
        while message.tokens > most:
            longest = max(("information", "rationale", "answer"), key=lambda name: len(getattr(message, name)))
            text = getattr(message, longest)
            if not text:
                raise UsageError(
                    f"the window of {self.model.name} ({self.model.window} tokens) has no room for a report"
                )
            shorter: dict[str, Any] = {longest: text[: len(text) // 2].rstrip()}
            message = await measured(self.model, replace(message, **shorter))
        return message

    async def _kept(self, messages: list[Message], most: int) -> list[Message]:
        """The most confident messages that fit, with a warning."""
        kept = most_confident(messages, most)
        while kept and not await self._all_fit(kept):
            kept.remove(min(reversed(kept), key=lambda message: message.confidence))
        self.session.warn(
            f"the reports could not be merged until they fit the window: the {len(kept)} surest of {len(messages)} "
            "were kept"
        )
        return kept

    async def _overhead(self) -> int:
        return max(
            [
                await self.model.count_prompt(reduce_prompt(self.session.question, (), forced))
                for forced in (False, True)
            ]
        )

    async def _all_fit(self, messages: Sequence[Message]) -> bool:
        prompts = [reduce_prompt(self.session.question, messages, forced) for forced in (False, True)]
        return await fits(self.model, prompts, self.answer_tokens)


def _total(messages: Iterable[Message]) -> int:
    return sum(message.tokens for message in messages)


def _numbers(chunks: Sequence[int]) -> str:
    return ", ".join(str(number + 1) for number in chunks)
