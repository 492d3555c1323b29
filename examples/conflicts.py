"""A tour of knowledge conflicts in five minutes on two cores: `python examples/conflicts.py` (extra `torch`).

A small model is told lies about capitals that it knows. It turns the dial between text and memory, finds the heads that
write the one and the other, and prunes them.
"""

from __future__ import annotations

from pansophy.conflicts import CKPlug, TwoStreamDecoder, known_facts, locate_heads
from pansophy.conflicts.decoding import Decoding
from pansophy.conflicts.facts import Fact
from pansophy.conflicts.ph3 import conflict_shares
from pansophy.models import WhiteBoxModel

CAPITALS = {
    "Italy": "Rome", "Germany": "Berlin", "Japan": "Tokyo", "France": "Paris", "Russia": "Moscow",
    "Spain": "Madrid", "Austria": "Vienna", "Peru": "Lima", "Greece": "Athens", "Norway": "Oslo", "Poland": "Warsaw",
    "Hungary": "Budapest", "Ireland": "Dublin", "Portugal": "Lisbon", "Kenya": "Nairobi", "Cuba": "Havana",
}  # fmt: skip


def facts() -> list[Fact]:
    """Each capital with another country's as the lie."""
    names = list(CAPITALS)
    made = []
    for place, country in enumerate(names):
        prompt = f"The name of the capital city of {country} is"
        lie = CAPITALS[names[(place + 5) % len(names)]]
        made.append(Fact(country, (CAPITALS[country],), lie, prompt, f"{prompt} {lie}. {prompt}"))
    return made


def main() -> None:
    print("loading SmolLM2-135M ...")
    model = WhiteBoxModel.load("smollm2-135m")
    known = known_facts(model, facts()).facts
    print(f"it knows {len(known)} of {len(CAPITALS)} capitals, and is told a lie about each\n")

    decoder = TwoStreamDecoder(model, lambda question, context: (f"{context} {question}", question))
    questions = [one.fact.prompt for one in known]
    lies = [f"{one.fact.prompt} {one.fact.lie}." for one in known]
    print("alpha   from memory   the lie   for example")
    for alpha in (0.0, 0.25, 0.5, 0.75, 1.0):
        dial = CKPlug(alpha)
        replies = decoder.generate_all(questions, lies, combiner=dial, decoding=Decoding(max_new_tokens=3))
        pairs = list(zip(replies, known, strict=True))
        memory = sum(reply.text.startswith(one.fact.answers[0]) for reply, one in pairs)
        told = sum(reply.text.startswith(one.fact.lie) for reply, one in pairs)
        shares = f"{memory:10d}/{len(known)} {told:6d}/{len(known)}"
        print(f"{alpha:5.2f} {shares}   {known[0].fact.subject}: {replies[0].text}")

    scores = locate_heads(model, known[::2])
    rest = known[1::2]
    print("\nheads that write the text:", ", ".join(map(str, scores.ranked("context")[:3])))
    print("heads that write memory:  ", ", ".join(map(str, scores.ranked("memory")[:3])))
    for name, mask in (
        ("as it is", None),
        ("without 3 heads of memory", scores.against(3, "context")),
        ("without 7 heads of the text", scores.against(7, "memory")),
    ):
        told = conflict_shares(model, rest, mask)
        print(f"{name:30} memory {told.memory.mean:4.0%}   the lie {told.context.mean:4.0%}")


if __name__ == "__main__":
    main()
