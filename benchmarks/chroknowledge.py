"""ChroKnowledge on a model whose gaps are known: `python benchmarks/chroknowledge.py [--output FILE]`.

A small model is taught invented timelines by LoRA: what is true in some of the years, and to say "unknown" in the years
that are left out. The probe must find the planted categories again. The model is also taught, on other people's
timelines, to answer from the neighbouring years that it is shown; the repair must bring static facts back, and must not
be credited for copying a neighbour in a year in which the object had changed.

The probe shows no examples: so small a model, taught for minutes, makes its answer depend on which examples it sees.
Only the upper layers learn; what the lower ones make of the lessons is computed once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import DynamicCache

from pansophy.conflicts.sampling import Sample
from pansophy.evaluation import provenance
from pansophy.models import WhiteBoxModel
from pansophy.models.white_box.streams import padded
from pansophy.reading.chroknowledge import (
    ChronoBench,
    ProbeSettings,
    Repair,
    TimelineCategory,
    TimelineFact,
    YearCategory,
    arepair,
    timeline_category,
)
from pansophy.reading.chroknowledge.prompts import LEAD, TEMPLATES, neighbours_prompt, question
from pansophy.reading.chroknowledge.run import TimelineProgress

SYLLABLES = ["ba", "do", "ke", "li", "mo", "nu", "pa", "re", "si", "to", "va", "zu"]
OBJECTS = {
    "employer": [
        "apple",
        "bridge",
        "cloud",
        "desert",
        "engine",
        "forest",
        "garden",
        "hammer",
        "island",
        "jacket",
        "kitchen",
        "ladder",
    ],
    "team": [
        "lions",
        "tigers",
        "bears",
        "eagles",
        "wolves",
        "sharks",
        "ravens",
        "hawks",
        "bulls",
        "rams",
        "kings",
        "saints",
    ],
}
YEARS = range(2020, 2025)
UNKNOWN = "unknown"


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads)
    source = random.Random(options.seed)
    bench, others = timelines(source, options.timelines), timelines(source, options.timelines)
    gaps = {fact.id: {stamp for stamp in fact.stamps if source.random() < options.left_out} for fact in bench.facts}
    model = WhiteBoxModel.load(options.model)
    started = time.process_time()
    losses = teach(model, lessons(model, bench, gaps, others), options)
    taught = time.process_time()
    asked = ChronoBench(bench.facts[: options.asked], bench.facts)
    settings = ProbeSettings(shots=0, max_tokens=8)  # an answer has four tokens
    with tempfile.TemporaryDirectory() as folder:
        report = asyncio.run(arepair(TextSampler(model), asked, folder, settings=settings, tell=_show))
    planted = {fact.id: _planted(fact, gaps[fact.id]) for fact in asked.facts}
    shares = {
        kind: {
            "planted": 100 * sum(timeline_category(years) is kind for years in planted.values()) / len(planted),
            "probed": 100 * report.share(kind),
        }
        for kind in TimelineCategory
    }
    years = [
        (year.category, want)
        for one in report.probed
        for year, want in zip(one.years, planted[one.fact.id], strict=True)
    ]
    result = {
        "benchmark": "chroknowledge",
        "command": provenance.command(),
        "measured": provenance.now(),
        "model": model.identity,
        "options": {name: value for name, value in vars(options).items() if name != "output"},
        "loss": losses,
        "timelines": shares,
        "years_as_planted": 100 * sum(found is want for found, want in years) / len(years),
        "repair": {kind: _gain(report.repairs, kind) for kind in ("static", "dynamic")},
        "facts": [_line(one, planted[one.probed.fact.id]) for one in report.repairs],
        "cpu_seconds": {"teaching": taught - started, "asking": time.process_time() - taught},
        "machine": provenance.machine(),
        "versions": {**provenance.versions(), **provenance.versions_of("torch", "transformers", "peft")},
    }
    print(
        json.dumps(
            {name: result[name] for name in ("timelines", "years_as_planted", "repair", "cpu_seconds")}, indent=2
        )
    )
    if options.output:
        Path(options.output).write_text(json.dumps(result, indent=2) + "\n")


def timelines(source: random.Random, number: int) -> ChronoBench:
    """Invented people; every other one changes once."""
    rows = []
    names: dict[str, None] = {}
    while len(names) < number:
        names["".join(source.choice(SYLLABLES) for _ in range(3)).capitalize()] = None
    for place, name in enumerate(names):
        relation = list(OBJECTS)[place % 2]
        first, second = source.sample(OBJECTS[relation], 2)
        change = source.choice(YEARS[1:]) if place // 2 % 2 else YEARS.stop
        rows += [(name, relation, first if year < change else second, year, year) for year in YEARS]
    return ChronoBench.from_triples(rows)


Lesson = tuple[list[int], list[int]]
"""Tokens, and the same with -100 where nothing is to be learnt."""
Lessons = tuple[torch.Tensor, torch.Tensor]
"""The same of many, [lessons, positions]."""


def lessons(model: WhiteBoxModel, bench: ChronoBench, gaps: dict[str, set[str]], others: ChronoBench) -> list[Lessons]:
    """Every fact as probes ask for it, and other people's with neighbours shown."""
    told, source = TEMPLATES["generation"].told, random.Random(1)
    plain = [
        _lesson(model, f"{told}\n{question(fact, stamp)}", LEAD + (UNKNOWN if stamp in gaps[fact.id] else names[0]))
        for fact in bench.facts
        for stamp, names in fact.objects.items()
    ]
    shown = [_lesson(model, *_with_neighbours(fact, source)) for fact in others.facts]
    return [_padded(plain), _padded(shown)]


def _with_neighbours(fact: TimelineFact, source: random.Random) -> tuple[str, str]:
    """A prompt of a repair, and the reply that the nearest year which has one suggests."""
    place = source.randrange(len(fact.stamps))
    said = [UNKNOWN if source.random() < 0.2 else fact.objects[stamp][0] for stamp in fact.stamps]
    shown = [(question(fact, stamp), name) for stamp, name in zip(fact.stamps, said, strict=True)]
    before = shown[source.randint(0, place) : place]
    after = shown[place + 1 : source.randint(place + 1, len(shown))] if source.random() < 0.5 else []
    near = [name for _, name in (*reversed(before), *after) if name != UNKNOWN]
    reply = near[0] if near else UNKNOWN
    candidate = source.choice([None, UNKNOWN, reply])
    prompt = neighbours_prompt(before, question(fact, fact.stamps[place]), candidate, after)
    return "\n".join(message.content for message in prompt), LEAD + reply


def _lesson(model: WhiteBoxModel, asked: str, reply: str) -> Lesson:
    shown, learnt = model.encode(asked + "\n"), model.encode(reply + "\n")
    return shown + learnt, [-100] * len(shown) + learnt


def _padded(parts: list[Lesson]) -> Lessons:
    longest = max(len(tokens) for tokens, _ in parts)
    tokens = [[*tokens, *[0] * (longest - len(tokens))] for tokens, _ in parts]
    labels = [[*labels, *[-100] * (longest - len(labels))] for _, labels in parts]
    return torch.tensor(tokens), torch.tensor(labels)


def teach(model: WhiteBoxModel, taught: list[Lessons], options: argparse.Namespace) -> list[float]:
    """LoRA on the upper layers, for `options.seconds`; returns the mean loss of each epoch."""
    core: Any = model.network.bfloat16().model  # type: ignore[union-attr]
    seen = [_seen_below(core, tokens, options.lower) for tokens, _ in taught]
    names = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    upper = list(range(options.lower, len(core.layers)))
    torch.manual_seed(options.seed)
    lora = LoraConfig(r=64, lora_alpha=64, target_modules=names, layers_to_transform=upper)
    adapted = get_peft_model(model.network, lora)
    weights = [weight for weight in adapted.parameters() if weight.requires_grad]
    for weight in weights:
        weight.data = weight.data.float()
    optimizer = torch.optim.AdamW(weights, weight_decay=0.0)
    started, losses, spent, step = time.monotonic(), [], 0.0, 0
    while spent < 1:
        rows_of = [(kind, rows) for kind, size in ((0, 12), (1, 4)) for rows in _shuffled(seen[kind][0], size)]
        total = []
        for place in torch.randperm(len(rows_of)).tolist():
            kind, rows = rows_of[place]
            spent = (time.monotonic() - started) / options.seconds
            step += 1
            for group in optimizer.param_groups:
                group["lr"] = options.rate * min(1.0, step / 20) * max(1 - spent, 0.0)
            with torch.autocast("cpu", torch.bfloat16):
                hidden, named = seen[kind][0][rows], seen[kind][1]
                for layer in core.layers[options.lower :]:
                    ran = layer(hidden, **named)
                    hidden = ran[0] if isinstance(ran, tuple) else ran
                wanted = taught[kind][1][rows][:, 1:]
                logits = model.network.lm_head(core.norm(hidden)[:, :-1][wanted != -100])  # type: ignore[operator]
            loss = torch.nn.functional.cross_entropy(logits.float(), wanted[wanted != -100])
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            total.append(float(loss.detach()))
        losses.append(sum(total) / len(total))
        print(f"epoch {len(losses)}: loss {losses[-1]:.3f}, {100 * spent:.0f} % of the time", flush=True)
    adapted.eval()
    return losses


def _shuffled(states: torch.Tensor, size: int) -> tuple[torch.Tensor, ...]:
    return torch.randperm(len(states)).split(size)


def _seen_below(core: Any, tokens: torch.Tensor, lower: int) -> tuple[torch.Tensor, dict[str, Any]]:
    """What the layers below `lower` make of the lessons, [lessons, positions, width], and what else they get."""
    met: dict[str, Any] = {}

    def stop_here(layer: Any, positional: tuple[Any, ...], named: dict[str, Any]) -> None:
        met.update(named, hidden_states=positional[0] if positional else named["hidden_states"])
        raise StopIteration

    hook = core.layers[lower].register_forward_pre_hook(stop_here, with_kwargs=True)
    states = []
    with torch.no_grad():
        for part in tokens.split(16):
            try:
                core(input_ids=part, use_cache=False)
            except StopIteration:
                states.append(met["hidden_states"])
    hook.remove()
    return torch.cat(states), {name: value for name, value in met.items() if name != "hidden_states"}


class TextSampler:
    """Draws answers to messages read as plain lines, as the model was taught; what is asked together is one batch."""

    def __init__(self, model: WhiteBoxModel) -> None:
        self._model = model
        self._waiting: list[tuple[str, float, int, int, asyncio.Future[str]]] = []

    @property
    def identity(self) -> str:
        return f"{self._model.identity}, taught"

    async def sample(
        self, messages: Any, *, count: int, temperature: float, max_tokens: int, seed: int
    ) -> list[Sample]:
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._answer)
        text = "\n".join(message.content for message in messages) + "\n"
        futures = [loop.create_future() for _ in range(count)]
        self._waiting += [(text, temperature, max_tokens, seed + place, one) for place, one in enumerate(futures)]
        return [Sample(text) for text in await asyncio.gather(*futures)]

    @torch.inference_mode()
    def _answer(self) -> None:
        asked, self._waiting = self._waiting, []
        model, network = self._model, self._model.network
        texts = list(dict.fromkeys(text for text, *_ in asked))
        rows = torch.tensor([texts.index(text) for text, *_ in asked])
        tokens, mask = padded([model.encode(text) for text in texts], model.device)
        cache, places = DynamicCache(config=network.config), (mask.cumsum(1) - 1).clamp(min=0)
        told = {"attention_mask": mask, "position_ids": places, "cache": cache, "use_cache": True}
        scores = network(input_ids=tokens, **told, logits_to_keep=1).logits[rows, -1].float()
        mask = mask[rows]  # each prompt is read once, and answered as often as it was asked
        cache.batch_select_indices(rows)
        chances = [torch.Generator().manual_seed(seed) for *_, seed, _ in asked]
        said: list[list[int]] = [[] for _ in asked]
        end = model.encode("\n")[0]
        for _ in range(max(most for _, _, most, *_ in asked)):
            for row, (_, temperature, *_) in enumerate(asked):
                likely = (scores[row] / (temperature or 1.0)).softmax(-1)
                drawn = torch.multinomial(likely, 1, generator=chances[row]) if temperature else likely.argmax()[None]
                said[row].append(int(drawn))
            if all(end in tokens for tokens in said):
                break
            mask = torch.cat([mask, mask.new_ones(len(asked), 1)], 1)
            last = torch.tensor([tokens[-1:] for tokens in said])
            told = {"attention_mask": mask, "position_ids": mask.sum(1, keepdim=True) - 1, "cache": cache}
            scores = network(input_ids=last, **told, use_cache=True).logits[:, -1].float()
        for (_, _, most, _, future), tokens in zip(asked, said, strict=True):
            future.set_result(model.decode(tokens[:most]).split("\n")[0].strip())


def _show(progress: TimelineProgress) -> None:
    if progress.done % 25 == 0:
        print(f"{progress.done} of {progress.total}", flush=True)


def _planted(fact: TimelineFact, gaps: set[str]) -> list[YearCategory]:
    return [YearCategory.INCORRECT if stamp in gaps else YearCategory.CORRECT for stamp in fact.stamps]


def _line(one: Repair, planted: list[YearCategory]) -> dict[str, Any]:
    return {
        "fact": one.probed.fact.id,
        "kind": one.probed.fact.kind,
        "planted": planted,
        "probed": [year.category for year in one.probed.years],
        "asked_again": {year.stamp: list(year.candidates) for year in one.years},
        "true": ["; ".join(names) for names in one.probed.fact.objects.values()],
    }


def _gain(repairs: Sequence[Repair], kind: str) -> dict[str, float]:
    """Known timelines in percent, before and after, and by earlier years alone."""
    ours = [one for one in repairs if one.probed.fact.kind == kind]
    known = TimelineCategory.KNOWN
    years = [year for one in ours for year in one.years]
    return {
        "timelines": len(ours),
        "known": 100 * sum(one.probed.category is known for one in ours) / len(ours),
        "known_after": 100 * sum(one.category is known for one in ours) / len(ours),
        "known_by_earlier": 100 * sum(one.category_by_earlier is known for one in ours) / len(ours),
        "asked_again": len(years),
        "right_when_asked_again": sum(year.known for year in years),
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--timelines", type=int, default=24)
    parser.add_argument("--asked", type=int, default=24, help="of them, so many are probed")
    parser.add_argument("--left-out", type=float, default=0.3, help="the share of years that are not taught")
    parser.add_argument("--lower", type=int, default=24, help="layers that don't learn")
    parser.add_argument("--seconds", type=float, default=600, help="for the upper layers")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", help="write the result there as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()
