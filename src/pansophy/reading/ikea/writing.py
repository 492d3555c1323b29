"""Episodes written by a network: many at once, each a row of tokens of which is known who wrote them.

The transcript stands behind the prompt as one text, as in the authors' loop: what a search brought is put into the
middle of the model's own reply. Knows nothing of rewards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from pansophy.errors import UsageError
from pansophy.models.white_box import WhiteBoxModel
from pansophy.models.white_box.streams import choice
from pansophy.reading.ikea.environment import Clip, Episode, Passage, SearchEnv
from pansophy.reading.ikea.tags import ANSWER_CLOSES, SEARCH_CLOSES

LONGEST_TAG = 16
"""Tokens; a tag has no more, whatever the tokenizer."""


@dataclass(slots=True)
class Rollout:
    """An episode as tokens: `prompt`, and `tokens` behind it with `own` 1 where the model wrote them and 0 where not.

    `cut_short` tells that the window was full before there was an answer.
    """

    episode: Episode
    prompt: list[int]
    tokens: list[int] = field(default_factory=list)
    own: list[int] = field(default_factory=list)
    cut_short: bool = False

    @property
    def written(self) -> int:
        """How many tokens the model wrote."""
        return sum(self.own)

    def add(self, tokens: Sequence[int], *, own: bool) -> None:
        self.tokens += tokens
        self.own += [int(own)] * len(tokens)


@dataclass(frozen=True, slots=True)
class AgentAnswer:
    """`answer` is None where there is none; `tokens` counts those that the model wrote."""

    answer: str | None
    transcript: str
    searches: int
    documents: tuple[Passage, ...]
    tokens: int


class NetworkAgent:
    """A search agent that is a white-box model.

    Args:
        model: writes; its chat template frames the prompt if it has one.
        env: what it may do.
        reply_tokens: the most tokens of a generation.
        temperature: of the generations.
        at_once: episodes written at the same time.

    Raises:
        UsageError: the model's window holds no generation beside the observations.
    """

    def __init__(
        self,
        model: WhiteBoxModel,
        env: SearchEnv,
        *,
        reply_tokens: int = 500,
        temperature: float = 0.0,
        at_once: int = 8,
    ) -> None:
        if reply_tokens < 1 or at_once < 1:
            raise UsageError(f"reply_tokens and at_once must be at least 1, not {reply_tokens} and {at_once}")
        self.model, self.env = model, env
        self.reply_tokens, self.temperature, self._at_once = reply_tokens, temperature, at_once

    def answer(self, question: str, seed: int = 0) -> AgentAnswer:
        """Answer one question. Raises UsageError if it is empty, or longer than the window."""
        (rollout,) = self.play([question], seed)
        episode = rollout.episode
        return AgentAnswer(
            episode.answer, episode.transcript, episode.searches, tuple(episode.passages), rollout.written
        )

    def play(self, questions: Sequence[str], seed: int = 0) -> list[Rollout]:
        """One episode for each question; the same seed draws the same ones.

        Raises:
            UsageError: a question is empty, or longer than the window.
            Whatever the retriever raises but TimeoutError.
        """
        rollouts = [self._begun(question) for question in questions]
        generator = torch.Generator(self.model.device).manual_seed(seed)
        while active := [one for one in rollouts if not one.episode.done]:
            for begin in range(0, len(active), self._at_once):
                self._turn(active[begin : begin + self._at_once], generator)
        return rollouts

    def _begun(self, question: str) -> Rollout:
        episode = self.env.begin(question)
        messages = self.env.messages(episode)
        if self.model.tokenizer.chat_template:
            text = self.model.chat_prompt(messages)
        else:
            text = "\n".join(message.content for message in messages) + "\n"
        prompt = self.model.encode(text)
        if len(prompt) + self.reply_tokens > self.model.window:
            raise UsageError(
                f"the prompt has {len(prompt)} tokens and a reply may have {self.reply_tokens}, but the window of "
                f"{self.model.name} holds {self.model.window}: shorten the question, or lower reply_tokens"
            )
        return Rollout(episode, prompt)

    def _turn(self, rollouts: Sequence[Rollout], generator: torch.Generator) -> None:
        """One generation and one step of each; an episode that the window has no room for any more ends."""
        fitting = []
        for rollout in rollouts:
            if len(rollout.prompt) + len(rollout.tokens) + self.reply_tokens > self.model.window:
                rollout.cut_short = rollout.episode.done = True
            else:
                fitting.append(rollout)
        if not fitting:
            return
        written = self._written([[*one.prompt, *one.tokens] for one in fitting], generator)
        for rollout, tokens in zip(fitting, written, strict=True):
            text = self.model.decode(tokens)
            number = len(rollout.episode.pieces)
            put = self.env.step(rollout.episode, text)
            kept = rollout.episode.pieces[number].text
            rollout.add(tokens if kept == text else self._plain(kept), own=True)
            rollout.add(self._plain(put), own=False)

    def _plain(self, text: str) -> list[int]:
        """The tokens of a text in the middle of another."""
        tokens: list[int] = self.model.tokenizer(text, add_special_tokens=False).input_ids if text else []
        return tokens

    @torch.inference_mode()
    def _written(self, rows: Sequence[Sequence[int]], generator: torch.Generator) -> list[list[int]]:
        """The next tokens of each row, up to a closing tag, the end of the text, or the most of a generation."""
        model, take = self.model, choice(self.temperature, generator=generator)
        stream = model.stream(rows, share=True)
        tokens: list[list[int]] = [[] for _ in rows]
        over = [False] * len(rows)
        for place in range(self.reply_tokens):
            taken = take(stream.log_probs)
            for row, token in enumerate(taken.tolist()):
                if over[row]:
                    continue
                if token in model.end_tokens:
                    over[row] = True
                    continue
                tokens[row].append(token)
                end = model.decode(tokens[row][-LONGEST_TAG:])
                over[row] = SEARCH_CLOSES in end or ANSWER_CLOSES in end
            if all(over) or place + 1 == self.reply_tokens:
                break
            stream.append(taken)
        return tokens


def clip_by_tokens(model: WhiteBoxModel) -> Clip:
    """Cuts text by the model's own tokens."""

    def clip(text: str, tokens: int) -> str:
        ids: list[int] = model.tokenizer(text, add_special_tokens=False).input_ids
        return text if len(ids) <= tokens else model.decode(ids[:tokens])

    return clip
