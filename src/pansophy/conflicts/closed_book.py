"""What a model believes without any text, and how surely: asked often, in other words, and remembered on disk.

A model may know a fact in one wording and not in the next. So a question is put in several wordings and answered
several times each; the belief is the answer that most samples agree on, its sureness their share (Kuhn et al. 2023,
arXiv 2302.09664, cluster samples by meaning so). Knows nothing of contexts.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pansophy.conflicts.clusters import bidirectional
from pansophy.conflicts.entailment import Entailment, same_answer
from pansophy.conflicts.sampling import Sample, Sampler
from pansophy.errors import StoreError, UsageError
from pansophy.runs.fingerprint import canonical_json
from pansophy.types import ChatMessage

Prompt = Callable[[str], Sequence[ChatMessage]]


def closed_book_prompt(question: str) -> list[ChatMessage]:
    """A question on its own, to be answered in a few words."""
    return [ChatMessage("user", f"Answer in one to three words, without explanation.\nQuestion: {question}\nAnswer:")]


SHOTS = (
    ("Who painted the Mona Lisa?", "Leonardo da Vinci"),
    ("What is the capital of Japan?", "Tokyo"),
    ("What sport does Serena Williams play?", "tennis"),
)
"""What a short answer looks like."""


def few_shot_prompt(question: str) -> list[ChatMessage]:
    """A question behind three that are answered in a word or two: small models answer at length otherwise."""
    turns = []
    for asked, said in SHOTS:
        turns += [*closed_book_prompt(asked), ChatMessage("assistant", said)]
    return [*turns, *closed_book_prompt(question)]


@dataclass(frozen=True, slots=True)
class ClosedBookSettings:
    """How a question is asked.

    Args:
        samples: answers to each wording.
        temperature: at which they are drawn.
        max_tokens: of an answer.
        seed: of the first answer.
    """

    samples: int = 10
    temperature: float = 0.5
    max_tokens: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        if self.samples < 2:
            raise UsageError(
                f"how sure a model is shows in several answers: samples must be at least 2, not {self.samples}"
            )
        if self.temperature <= 0:
            raise UsageError("at temperature 0 all answers are the same: give one above 0")


@dataclass(frozen=True, slots=True)
class Belief:
    """What a model says to a question without a text.

    `answer` is what most samples say, in the words of the first of them; `sureness` their share, 0..1;
    `log_likelihood` the mean natural log-probability of their tokens, None where the model doesn't say. `others` are
    the other answers with their shares, the most frequent first; `samples` counts all.
    """

    question: str
    answer: str
    sureness: float
    log_likelihood: float | None
    others: tuple[tuple[str, float], ...]
    samples: int

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "others": [list(other) for other in self.others]}


class ClosedBookProber:
    """Asks a model what it believes.

    Args:
        sampler: draws the answers; a `CachedSampler` draws none twice.
        settings: how they are drawn.
        entails: whether one answer says what another says.
        prompt: makes the prompt of a question.
    """

    def __init__(
        self,
        sampler: Sampler,
        settings: ClosedBookSettings = ClosedBookSettings(),
        *,
        entails: Entailment = same_answer,
        prompt: Prompt = closed_book_prompt,
    ) -> None:
        self._sampler = sampler
        self._settings = settings
        self._entails = entails
        self._prompt = prompt

    async def believe(self, question: str, paraphrases: Sequence[str] = ()) -> Belief:
        """The model's belief.

        Args:
            question: as it stands in the result.
            paraphrases: the same question in other words, asked as often.

        Raises:
            UsageError: the question is empty.
            ModelError, BudgetExceeded: as the sampler raises them; what was drawn before stays in its cache.
        """
        if not question.strip():
            raise UsageError("the question is empty")
        drawn: list[Sample] = []
        for wording in (question, *paraphrases):
            drawn += await self._sampler.sample(
                self._prompt(wording),
                count=self._settings.samples,
                temperature=self._settings.temperature,
                max_tokens=self._settings.max_tokens,
                seed=self._settings.seed,
            )
        return belief_of(question, drawn, self._entails)


def belief_of(question: str, samples: Sequence[Sample], entails: Entailment = same_answer) -> Belief:
    """The answer that most of `samples` agree on; of equally frequent ones that which was said first.

    Raises:
        ValueError: there are none.
    """
    clusters = sorted(bidirectional([sample.text for sample in samples], entails), key=len, reverse=True)
    if not clusters:
        raise ValueError("no samples: there is no belief without an answer")
    agreeing, *others = clusters
    likelihoods = [samples[position].log_likelihood for position in agreeing]
    known = [one for one in likelihoods if one is not None]
    return Belief(
        question=question,
        answer=samples[agreeing[0]].text,
        sureness=len(agreeing) / len(samples),
        log_likelihood=float(np.mean(known)) if len(known) == len(agreeing) else None,
        others=tuple((samples[other[0]].text, len(other) / len(samples)) for other in others),
        samples=len(samples),
    )


class CachedSampler:
    """A sampler that keeps on disk what it drew: the same prompt with the same settings is never drawn again.

    Distributions are not kept, being as large as the vocabulary: its samples have none.

    Args:
        sampler: draws what isn't there yet.
        path: an SQLite file, made when needed; several processes may share it, and several models.
    """

    def __init__(self, sampler: Sampler, path: str | Path) -> None:
        self._sampler = sampler
        self._path = Path(path).expanduser()

    @property
    def identity(self) -> str:
        return self._sampler.identity

    async def sample(
        self, messages: Sequence[ChatMessage], *, count: int, temperature: float, max_tokens: int, seed: int
    ) -> list[Sample]:
        """See `Sampler.sample`.

        Raises:
            StoreError: the file can't be read or written.
        """
        asked = {
            "model": self.identity,
            "messages": [[message.role, message.content] for message in messages],
            "settings": [count, float(temperature), max_tokens, seed],
        }
        key = hashlib.sha256(canonical_json(asked).encode()).hexdigest()
        if (kept := self._recall(key)) is not None:
            return kept
        drawn = await self._sampler.sample(
            messages, count=count, temperature=temperature, max_tokens=max_tokens, seed=seed
        )
        samples = [Sample(one.text, one.log_likelihoods) for one in drawn]
        self._record(key, samples)
        return samples

    def _recall(self, key: str) -> list[Sample] | None:
        rows = self._execute("SELECT samples FROM samples WHERE key = ?", key)
        if not rows:
            return None
        kept = json.loads(rows[0][0])
        return [Sample(text, None if tokens is None else tuple(tokens)) for text, tokens in kept]

    def _record(self, key: str, samples: Sequence[Sample]) -> None:
        data = json.dumps([[sample.text, sample.log_likelihoods] for sample in samples])
        self._execute("INSERT OR REPLACE INTO samples VALUES (?, ?)", key, data)

    def _execute(self, statement: str, *values: str) -> list[tuple[str, ...]]:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._path, timeout=60)) as connection, connection:
                connection.execute("CREATE TABLE IF NOT EXISTS samples (key TEXT PRIMARY KEY, samples TEXT NOT NULL)")
                return connection.execute(statement, values).fetchall()
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"the kept answers in {self._path} can't be used: {error}") from error
