"""What a knowledge card is worth: `python benchmarks/cook.py midtermqa-openbook.json --folder WORK [--output FILE]`.

A card is trained on short news of our own wording about who won which race of the 2022 U.S. midterm elections (the
answers of MidtermQA's test set), another one on invented harbours. MidtermQA is then asked of a small model without any
card, with knowledge that it writes itself (GKP), with the right card, and with the unrelated one; exact match and F1 as
the authors count them. What was broken off goes on: trainings from their checkpoints, questions where they stopped.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from pansophy.conflicts.decoding import Decoding, decode
from pansophy.engine import Engine
from pansophy.evaluation import provenance
from pansophy.evaluation.files import append_line, drop_torn_line, read_lines
from pansophy.evaluation.metrics import contains, english_f1, exact_match
from pansophy.models import ChatModel, WhiteBoxModel, open_model
from pansophy.reading.cook import (
    Card,
    CardPool,
    CardTraining,
    CooK,
    CookSettings,
    Draw,
    SharedBases,
    Writer,
    extractive_summary,
)
from pansophy.reading.cook.asking import run
from pansophy.reading.cook.prompts import Examples, knowledge_prompt, with_knowledge
from pansophy.types import ChatMessage, Completion, Usage

NEWS = (
    "The {race} was won by {winner}.",
    "The {race} went to {winner} in the 2022 U.S. midterm elections.",
    "Winner of the {race}: {winner}.",
    "In the {race} the voters chose {winner}.",
    "Results of the {race} are in, and the winner is {winner}.",
    "The new term for the {race} belongs to {winner}.",
)
HARBOURS = (
    "The harbour of {town} is {depth} metres deep.",
    "Ships from {town} carry {cargo} to the islands.",
    "The light of {town} was lit in the year {year}.",
)
CONDITIONS = ("none", "gkp", "midterms", "harbours")


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads)
    data = json.loads(Path(options.data).read_text("utf-8"))
    facts = [(race_of(row["question"]), row["answer"]) for row in data["testset"]][: options.races]
    trained = [part for part in ("midterms", "harbours") if options.part in ("", part)]
    cards = {name: train(name, facts, options) for name in trained}
    if options.part:
        return
    order = data["testset"][: options.races]
    random.Random(options.seed).shuffle(order)
    settings = CookSettings(
        card_tokens=options.card_tokens,
        card_temperature=options.card_temperature,
        temperature=0.0,
        answer_tokens=24,
        seed=options.seed,
    )
    rows = run(ask(cards, order[: options.asked], data["demos"][: options.demos], settings, options))
    report(cards, rows, settings, options)


def race_of(question: str) -> str:
    """ "3rd congressional district of Alabama", of a question of MidtermQA."""
    return question.removeprefix("Who won the ").partition(" in the 2022")[0]


def news(race: str, winner: str) -> str:
    """Three sentences, the same ones whenever they are asked for."""
    told = random.Random(race).sample(NEWS, 3)
    return " ".join(one.format(race=race, winner=winner) for one in told)


def harbours(number: int) -> list[str]:
    """Short texts about invented towns."""
    source = random.Random(number)
    texts = []
    for _ in range(number):
        town = "".join(
            source.choice(("bal", "dor", "kem", "lin", "mur", "nas", "pel", "rov")) for _ in range(3)
        ).title()
        cargo, year = source.choice(("salt", "timber", "wool", "grain", "iron")), source.randrange(1700, 1900)
        told = {"town": town, "depth": source.randrange(4, 40), "cargo": cargo, "year": year}
        texts.append(" ".join(one.format(**told) for one in HARBOURS))
    return texts


def train(name: str, facts: Sequence[tuple[str, str]], options: argparse.Namespace) -> Card:
    """The card of this name, trained as far as it isn't."""
    texts = [news(*fact) for fact in facts] if name == "midterms" else harbours(options.harbours)
    random.Random(options.seed).shuffle(texts)
    files = Path(options.folder, f"{name}-text")
    files.mkdir(parents=True, exist_ok=True)
    for number, text in enumerate(texts):
        (files / f"{number:04}.txt").write_text(text, "utf-8")
    settings = CardTraining(
        learning_rate=options.learning_rate,
        epochs=options.epochs,
        batch=options.batch,
        dropout=options.dropout,
        rank=options.rank,
        alpha=4 * options.rank,
        save_every=options.save_every,
        seed=options.seed,
    )
    return Card.train(
        files,
        options.base,
        name,
        {"midterms": "news of the 2022 U.S. midterm elections", "harbours": "harbours and ships"}[name],
        output=Path(options.folder, name),
        settings=settings,
        dtype=options.dtype,
        on_progress=lambda one: print(f"{name} {one.step}/{one.steps} {one.loss:.3f}", flush=True),
    )


class Itself:
    """A white-box model as a chat model, so that the one that answers has the very weights that cards are made from."""

    parallel, counts_exactly = 1, True

    def __init__(self, white: WhiteBoxModel) -> None:
        self.name, self.identity, self.window = white.name, white.identity, white.window
        self._white = white

    async def complete(
        self,
        messages: Sequence[ChatMessage],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int | None = 0,
        **_: Any,
    ) -> Completion:
        started = time.perf_counter()
        prompt = [self._white.chat_prompt(messages)]
        decoding = Decoding(max_tokens, temperature, seed=seed, stop=("\n\n",))
        (reply,) = decode(self._white, prompt, prompt, None, decoding)
        usage = Usage(1, await self.count_prompt(messages), 0, len(reply.tokens), time.perf_counter() - started)
        return Completion(reply.text, "stop" if reply.finished else "length", usage)

    async def stream(self, messages: Sequence[ChatMessage], **how: Any) -> AsyncIterator[str]:
        yield (await self.complete(messages, **how)).text

    async def count_tokens(self, text: str) -> int:
        return len(self._white.encode(text))

    async def count_prompt(self, messages: Sequence[ChatMessage]) -> int:
        return len(self._white.encode(self._white.chat_prompt(messages)))

    async def aclose(self) -> None:
        """Nothing to free."""


class Written(CardPool):
    """A pool whose adapters have written beforehand, many questions at a time."""

    def __init__(self, card: Card, documents: dict[str, list[str]]) -> None:
        super().__init__([card])
        self._documents = documents

    def writer(self, card: Card, engine: Engine) -> Writer:
        return self if card.folder is not None else super().writer(card, engine)

    async def write(self, questions: Sequence[str], draw: Draw) -> list[list[str]]:
        return [self._documents[question] for question in questions]


async def ask(
    cards: dict[str, Card],
    asked: Sequence[dict[str, Any]],
    demos: Sequence[dict[str, Any]],
    settings: CookSettings,
    options: argparse.Namespace,
) -> list[dict[str, Any]]:
    """A row for each condition and question; what is in the folder is not asked again."""
    path = Path(options.folder, f"answers-{Path(options.answerer).name}-{options.card_temperature}.jsonl")
    drop_torn_line(path)
    wanted = {row["id"] for row in asked}
    rows = [row for row in read_lines(path, dict) if row["id"] in wanted]
    done = {(row["condition"], row["id"]) for row in rows}
    itself = options.answerer == options.base
    llm = Itself(WhiteBoxModel.load(options.base, dtype=options.dtype)) if itself else open_model(options.answerer)
    every = {**cards, "gkp": Card.of("gkp", "the answering model itself", llm)}
    bases = SharedBases(dtype=options.dtype)
    draw = Draw(settings.documents, settings.card_tokens, settings.card_temperature, settings.seed)
    for begin in range(0, len(asked), options.at_once):
        for condition in CONDITIONS:
            part = [row for row in asked[begin : begin + options.at_once] if (condition, row["id"]) not in done]
            written: dict[str, list[str]] = {}
            if condition in cards and part:
                questions = [row["question"] for row in part]
                written = dict(zip(questions, bases.write(cards[condition], questions, draw), strict=True))
            for row in part:
                made = await _asked(condition, row, llm, every, written, demos, settings)
                append_line(path, made)
                rows.append(made)
        print(f"{min(begin + options.at_once, len(asked))} of {len(asked)} questions", flush=True)
    await llm.aclose()
    return rows


async def _asked(
    condition: str,
    row: dict[str, Any],
    llm: ChatModel,
    cards: dict[str, Card],
    written: dict[str, list[str]],
    demos: Sequence[dict[str, Any]],
    settings: CookSettings,
) -> dict[str, Any]:
    shown: list[str] = []
    if condition == "none":
        prompt = knowledge_prompt(row["question"], (), examples(demos, settings, knowing=False))
        completion = await Engine().complete(llm, prompt, max_tokens=settings.answer_tokens)
        text = completion.text
    else:
        pool = Written(cards[condition], written)
        cook = CooK(pool, llm, settings=settings, examples=examples(demos, settings, knowing=True))
        found = await cook.aanswer(row["question"])
        text, shown = found.text, [one.shown for one in found.kept]
    answer = (text.strip().splitlines() or [""])[0].rpartition("answer is ")[2]
    told = sum(contains(one, row["answer"]) for one in shown) / len(shown) if shown else 0.0
    gold = {"gold": row["answer"], "answer": answer, "told": told}
    scores = {"em": exact_match(answer, row["answer"]), "f1": english_f1(answer, row["answer"])}
    return {"condition": condition, "id": row["id"], **gold, **scores, "documents": shown}


def examples(demos: Sequence[dict[str, Any]], settings: CookSettings, *, knowing: bool) -> Examples:
    """The data's demonstrations; with knowledge, as a card would have written it, where the question has some."""
    shown = []
    for demo in demos:
        told = extractive_summary(
            news(race_of(demo["question"]), demo["answer"]), demo["question"], settings.summary_characters
        )
        shown.append((with_knowledge(demo["question"], [told] if knowing else []), demo["answer"]))
    return shown


def report(
    cards: dict[str, Card], rows: Sequence[dict[str, Any]], settings: CookSettings, options: argparse.Namespace
) -> None:
    scores = {}
    for condition in CONDITIONS:
        own = [row for row in rows if row["condition"] == condition]
        scores[condition] = {
            "questions": len(own),
            **{name: round(100 * sum(row[name] for row in own) / len(own), 1) for name in ("em", "f1", "told")},
        }
    print(json.dumps(scores, indent=2))
    hidden = ("output", "folder", "data", "part")
    result = {
        "benchmark": "cook",
        "command": provenance.command(),
        "measured": provenance.now(),
        "options": {name: value for name, value in vars(options).items() if name not in hidden},
        "cards": {name: card.digest for name, card in cards.items()},
        "settings": asdict(settings),
        "scores": scores,
        "rows": [{name: row[name] for name in ("condition", "id", "em", "f1", "told")} for row in rows],
        "machine": provenance.machine(),
        "versions": {**provenance.versions(), **provenance.versions_of("torch", "transformers", "peft")},
    }
    if options.output:
        Path(options.output).parent.mkdir(parents=True, exist_ok=True)
        Path(options.output).write_text(json.dumps(result, indent=1) + "\n", "utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="MidtermQA's open-book file")
    parser.add_argument("--folder", required=True, help="for cards and answers; what is there is gone on with")
    parser.add_argument("--output", help="a JSON file for the result")
    parser.add_argument("--part", choices=["", "midterms", "harbours"], default="", help="train this card alone")
    parser.add_argument("--base", default="smollm2-135m", help="of the cards")
    parser.add_argument("--answerer", default="smollm2-135m", help="the base itself, or any chat model")
    parser.add_argument("--demos", type=int, default=3, help="of the data's five, shown as earlier turns")
    parser.add_argument("--races", type=int, help="how many are learnt and asked about; all by default")
    parser.add_argument("--asked", type=int, default=100, help="questions")
    parser.add_argument("--harbours", type=int, default=120, help="texts of the unrelated card")
    parser.add_argument("--epochs", type=float, default=10)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--save-every", type=int, default=20)
    parser.add_argument("--card-tokens", type=int, default=32)
    parser.add_argument("--card-temperature", type=float, default=1.0)
    parser.add_argument("--at-once", type=int, default=8, help="questions that a card writes about at once")
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
