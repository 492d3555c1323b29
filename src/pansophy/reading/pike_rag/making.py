"""Makes the knowledge base of a corpus: chunks, the questions that they answer, vectors. What is made stays with the
corpus, so that it is paid for once.

Kept are the borders of each document ("summaries" alone), each chunk's questions, and vectors where the corpus has an
embedder, all under the text that they were made from. A changed document costs its own chunks again, another model or
other settings a new set beside the old one, a killed process the call that it was in.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pansophy.corpus import Embedder
from pansophy.corpus.chunking import SMALLEST_CHUNK_TOKENS
from pansophy.corpus.derived import Derived
from pansophy.engine import complete_as
from pansophy.errors import AuthenticationFailed, ModelError, UnknownModel
from pansophy.events import NoteWritten
from pansophy.models import ChatModel
from pansophy.reading.passages import TITLES_SHARE, each, fits, room, split_to_fit
from pansophy.reading.pike_rag.knowledge import Atom, KnowledgeBase
from pansophy.reading.pike_rag.likeness import Likeness, VectorLikeness, WordLikeness
from pansophy.reading.pike_rag.prompts import (
    PARTING_SYSTEM,
    SUMMARY_SYSTEM,
    Parting,
    atoms_prompt,
    parting_prompt,
    summary_prompt,
)
from pansophy.reading.pike_rag.settings import PikeRagSettings
from pansophy.reading.pike_rag.units import Unit, forward_chunks, numbered, plain_chunks
from pansophy.reading.quotes import sentences
from pansophy.reading.strategy import Session
from pansophy.types import Chunk, Usage

_LEADING = re.compile(r"^\s*(?:[-*•–]|\(?\d{1,3}[.):]|[Qq]\d*[.:])\s*")
_ASKING = re.compile(r"^.*?[?？؟]")


def questions_of(reply: str, finished: bool = True) -> list[str]:
    """The questions in a reply, one a line, each once; numbers, bullets, headings and answers are left out.

    Lines without a question mark count only if none has one. Of a reply that was cut off the last line is dropped.
    """
    lines = [_LEADING.sub("", line).strip().strip('"*') for line in reply.splitlines()]
    if not finished and len(lines) > 1:
        lines.pop()
    lines = [line for line in lines if any(character.isalnum() for character in line)]
    asking = [match[0] for line in lines if (match := _ASKING.match(line))]
    return list({question.casefold(): question for question in reversed(asking or lines)}.values())[::-1]


@dataclass(slots=True)
class Making:
    """Makes the knowledge base of `session.corpus` by calls to `model`, `width` of them begun at once."""

    session: Session
    model: ChatModel
    settings: PikeRagSettings
    width: int
    _done: int = field(default=0, init=False)

    async def run(self) -> KnowledgeBase:
        """The knowledge base; calls are made only for what is not kept.

        Raises:
            UsageError: the window is too small.
            AuthenticationFailed, UnknownModel: no call can work.
        """
        units = await self._units()
        questions = await self._questions(units)
        atoms: list[Atom] = []
        compared: list[str] = []
        for unit in units:
            asked = questions.get(unit.key) or ()
            atoms += [Atom(text, unit.number) for text in asked or (unit.beginning,)]
            compared += asked or (unit.chunk.text,)
        by_question, by_text, by_title = await asyncio.to_thread(
            self._likenesses,
            compared,
            [" ".join((unit.chunk.title, unit.summary, unit.chunk.text)) for unit in units],
            [unit.chunk.title or unit.chunk.document for unit in units],
        )
        least = by_question.least if self.settings.least_likeness is None else self.settings.least_likeness
        return KnowledgeBase(units, atoms, by_question, by_text, by_title, least)

    # ---- chunks ----

    async def _units(self) -> list[Unit]:
        def build(pieces: Sequence[Chunk]) -> list[list[Any]]:
            return [atoms_prompt(piece.title, "", piece.text) for piece in pieces] or [atoms_prompt("", "", "")]

        reserved = self.settings.atom_tokens
        left = int(await room(self.model, build, reserved) * (1 - TITLES_SHARE))
        most = min(self.settings.chunk_tokens, left)
        if self.settings.chunking == "plain":
            chunks = await asyncio.to_thread(lambda: list(plain_chunks(self.session.corpus, most)))
            pages = [unit.page for unit in numbered([(chunk, "") for chunk in chunks])]
            fitting = [part for page in pages for part in await split_to_fit(self.model, page, build, reserved)]
            return numbered([(part.pieces[0], "") for part in fitting])
        return numbered(await self._forward(max(SMALLEST_CHUNK_TOKENS, most // 2)))

    async def _forward(self, most: int) -> list[tuple[Chunk, str]]:
        made_by = {"model": self.model.identity, "most": most, "prompts": [PARTING_SYSTEM, SUMMARY_SYSTEM]}
        kept = await asyncio.to_thread(Derived, self.session.corpus.location, "borders", made_by)
        infos = self.session.corpus.documents()
        waiting = [info for info in infos if info.sha256 not in kept.records]
        self._done = 0

        async def cut(info: Any) -> None:
            document = await asyncio.to_thread(self.session.corpus.document, info.id)
            spans = await forward_chunks(document.text, most, self._parting(info.title), self._summary(info.title))
            await asyncio.to_thread(kept.add, info.sha256, info.id, spans=spans)
            self._tell(f"{info.id} is cut into {len(spans)} chunks", len(waiting), Usage())

        await each({info.sha256: info for info in waiting}.values(), cut, self.width)
        kept.keep({info.sha256 for info in infos})
        found = []
        for info in infos:
            text = (await asyncio.to_thread(self.session.corpus.document, info.id)).text
            index = self.session.corpus.chunk_range(info.id)[0]
            for start, end, summary in kept.records[info.sha256]["spans"]:
                found.append((Chunk(info.id, start, end, text[start:end], index, info.title), summary))
        return found

    def _parting(self, title: str) -> Any:
        async def part(before: str, stretch: str) -> Parting | None:
            messages = parting_prompt(title, before, [stretch[start:end] for start, end in sentences(stretch)])
            if not await fits(self.model, [messages, atoms_prompt(title, before, stretch)], self.settings.atom_tokens):
                return None
            try:
                reply, _ = await complete_as(
                    self.session.engine, self.model, messages, Parting, max_tokens=self.settings.reply_tokens
                )
            except ModelError as error:
                self._passed_over(error, "some chunks end at the usual borders")
                return None
            if reply is None:
                self.session.warn(f"some chunks end at the usual borders: {self.model.name} did not follow the form")
            return reply

        return part

    def _summary(self, title: str) -> Any:
        async def summarise(before: str, text: str) -> str:
            messages = summary_prompt(title, before, text)
            if not await fits(self.model, [messages], self.settings.reply_tokens):
                return before
            try:
                completion = await self.session.engine.complete(
                    self.model, messages, max_tokens=self.settings.reply_tokens
                )
            except ModelError as error:
                self._passed_over(error, "some chunks have no summary of their own")
                return before
            return completion.text.strip()

        return summarise

    def _passed_over(self, error: ModelError, what: str) -> None:
        if isinstance(error, AuthenticationFailed | UnknownModel):
            raise error
        self.session.warn(f"{what}: they could not be asked for ({error})")

    # ---- their questions ----

    async def _questions(self, units: Sequence[Unit]) -> dict[str, list[str]]:
        settings, corpus = self.settings, self.session.corpus
        made_by = {
            "model": self.model.identity,
            "temperature": settings.atom_temperature,
            "most_tokens": settings.atom_tokens,
            "prompt": [message.content for message in atoms_prompt("", "", "")],
        }
        kept = await asyncio.to_thread(Derived, corpus.location, "atoms", made_by)
        wanted = {unit.key: unit for unit in (await self._chosen(units))}
        waiting = [unit for key, unit in wanted.items() if key not in kept.records]
        self._done, started = 0, self.session.seconds

        async def atomise(unit: Unit) -> None:
            chunk = unit.chunk
            prompt = atoms_prompt(chunk.title, unit.summary, chunk.text)
            if not await fits(self.model, [prompt], settings.atom_tokens):
                prompt = atoms_prompt(chunk.title, "", chunk.text)
            try:
                completion = await self.session.engine.complete(
                    self.model,
                    prompt,
                    max_tokens=settings.atom_tokens,
                    temperature=settings.atom_temperature,
                    priority=1,
                )
            except ModelError as error:
                self.session.chunk_failed(unit.number, (chunk,), error, 1)
                return
            questions = questions_of(completion.text, completion.finish_reason != "length")
            await asyncio.to_thread(kept.add, unit.key, chunk.document, questions=questions)
            self._tell(f"{len(questions)} questions of {chunk.document}", len(waiting), completion.usage, started)

        await each(waiting, atomise, self.width)
        if settings.max_chunks is None:
            await asyncio.to_thread(kept.keep, set(wanted))
        return {key: record["questions"] for key, record in kept.records.items()}

    async def _chosen(self, units: Sequence[Unit]) -> Sequence[Unit]:
        """The chunks that get questions: all, or those that fit the question best."""
        most = self.settings.max_chunks
        if most is None or most >= len(units):
            return units
        scores = await asyncio.to_thread(
            lambda: WordLikeness([unit.chunk.text for unit in units]).scores(self.session.question)
        )
        return sorted(sorted(units, key=lambda unit: -scores[unit.number])[:most], key=lambda unit: unit.number)

    def _tell(self, what: str, of: int, usage: Usage, started: float | None = None) -> None:
        self._done += 1
        left = ""
        if started is not None and self._done < of:
            seconds = (self.session.seconds - started) / self._done * (of - self._done)
            left = f"; about {int(seconds) // 60}:{int(seconds) % 60:02} left"
        self.session.emit(NoteWritten(step=self._done, of=of, text=f"{what}{left}", usage=usage))

    # ---- likeness ----

    def _likenesses(self, *layers: Sequence[str]) -> list[Likeness]:
        embedder = self.session.corpus.embedder
        if embedder is None:
            return [WordLikeness(texts) for texts in layers]
        vectors = _vectors(self.session.corpus.location, embedder, layers)
        return [VectorLikeness(embedder, rows) for rows in vectors]


def _vectors(location: str, embedder: Embedder, layers: Sequence[Sequence[str]]) -> list[Any]:
    """The vectors of each layer's texts; those that the corpus keeps are not made again."""
    import numpy as np

    kept = Derived(location, "vectors", {"embedder": embedder.name})
    keys = [[hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() for text in layer] for layer in layers]
    texts = {key: text for row, layer in zip(keys, layers, strict=True) for key, text in zip(row, layer, strict=True)}
    if new := [key for key in texts if key not in kept.records]:
        records = {key: record for key, record in kept.records.items() if key in texts}
        for key, vector in zip(new, embedder.embed([texts[key] for key in new]), strict=True):
            records[key] = {"key": key, "document": "", "vector": base64.b64encode(vector.tobytes()).decode()}
        kept.replace(records)
    found = {key: np.frombuffer(base64.b64decode(kept.records[key]["vector"]), np.float32) for key in texts}
    return [np.stack([found[key] for key in row]) if row else np.zeros((0, 0), np.float32) for row in keys]
