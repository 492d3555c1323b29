"""CoDA: what overshadows a condition is found and held against it."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from tests.white_box.tiny import model

from pansophy.conflicts import ContextAwareDecoding
from pansophy.conflicts.coda import CoDA, candidates, detect, generate, indicator, masked
from pansophy.conflicts.decoding import Decoding
from pansophy.errors import UsageError


def test_the_indicator_by_hand() -> None:
    """Likely with the condition: a, b; without: b, c. In common: b, which the condition halves."""
    whole = torch.tensor([[0.6, 0.3, 0.02, 0.08]]).log()
    rest = torch.tensor([[0.01, 0.6, 0.38, 0.01]]).log()
    taken = min(math.log(0.3 / 0.6), 0)
    escaped = (
        math.log(0.6) - math.log(0.38) + math.log(0.08) - math.log(0.38)
    )  # a and d, which only the whole finds likely
    assert indicator(whole, rest).item() == pytest.approx(taken + escaped, abs=1e-5)
    assert indicator(whole, whole).item() == 0


def test_the_scores_by_hand() -> None:
    whole = torch.tensor([[0.6, 0.38, 0.02]]).log()
    rest = torch.tensor([[0.9, 0.05, 0.05]]).log()
    scores = CoDA(beta=math.inf).combine(whole, rest).scores[0]
    assert scores.tolist() == pytest.approx([math.log(0.6 / 0.9), math.log(0.38 / 0.05), -math.inf])
    gentle = CoDA(beta=1).combine(whole, rest).scores[0]
    assert gentle[0].item() == pytest.approx(2 * math.log(0.6) - math.log(0.9))
    escaped = CoDA(beta=math.inf, escape=True).combine(whole, rest).scores[0]
    assert escaped.tolist() == pytest.approx([math.log(0.6 / 0.9), math.log(0.38 / 0.9), -math.inf])


def test_without_its_one_it_is_cad_on_what_is_likely() -> None:
    chance = torch.Generator().manual_seed(0)
    whole, rest = (torch.randn(5, 30, generator=chance).log_softmax(-1) for _ in "12")
    scores = CoDA(beta=math.inf).combine(whole, rest).scores
    cad = ContextAwareDecoding(1).combine(whole, rest).scores - whole
    torch.testing.assert_close(scores[~scores.isneginf()], cad[~scores.isneginf()])
    assert torch.equal(scores.isneginf(), whole < whole.amax(-1, keepdim=True) + math.log(0.1))


@pytest.mark.parametrize(
    ("prompt", "found"),
    [
        ("Name a famous singer in North Korea", ["Name", "famous", "singer", "North Korea"]),
        ("Which river does not flow into the sea ?", ["river", "not", "flow", "sea"]),
        ("the of and", []),
        (
            "In this long sentence about nothing much at all the King of Norway met 3 dogs and never came back again",
            ["King of Norway", "3", "never"],
        ),
    ],
)
def test_candidates_are_names_numbers_negations_and_in_short_prompts_all_content(prompt: str, found: list[str]) -> None:
    assert [prompt[start:end] for start, end in candidates(prompt)] == found


def test_candidates_are_apart_and_at_most_sixteen() -> None:
    spans = candidates(" , ".join(f"Name{n} {n}" for n in range(40)))
    assert len(spans) == 16
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))


def test_masking() -> None:
    assert masked("a singer in Oslo now", 12, 16) == "a singer in _ now"
    assert masked("a singer in Oslo now", 12, 16, "delete") == "a singer in now"
    assert masked("Oslo now", 0, 4, "delete") == "now"
    assert masked("Oslo now", 0, 4, "attention") == "Oslo now"


def test_detection_puts_the_most_overshadowed_first_and_is_the_indicator_of_the_masked_prompt() -> None:
    white = model()
    prompt = "the capital of Norway is not Paris"
    found = detect(white, prompt)
    assert {one.text for one in found} == {"capital", "Norway", "not", "Paris"}
    assert [one.indicator for one in found] == sorted(one.indicator for one in found)
    for one in found:
        rows = white.next_log_probs([prompt, masked(prompt, one.start, one.end)], batch=1)
        assert one.indicator == pytest.approx(indicator(rows[:1], rows[1:]).item(), abs=1e-2)
    with pytest.raises(UsageError, match="one token"):
        detect(white, "Paris")


def test_generation_is_plain_where_nothing_is_contrasted() -> None:
    white, decoding = model(), Decoding(max_new_tokens=6, stop=())
    prompt = "the capital of Norway is not"
    plain, none = generate(white, prompt, gate="never", decoding=decoding)
    assert none is None
    contrasted, span = generate(white, prompt, gate="always", span="Norway", combiner=CoDA(math.inf), decoding=decoding)
    assert span is not None
    assert prompt[span.start : span.end] == span.text == "Norway"
    by_sign, chosen = generate(white, prompt, gate="indicator", decoding=decoding)
    best = detect(white, prompt)[0]
    assert (chosen == best) if best.indicator < 0 else (chosen is None and by_sign == plain)
    assert contrasted.tokens != plain.tokens
    with pytest.raises(UsageError, match="doesn't stand"):
        generate(white, prompt, span="Sweden")


def test_a_span_that_is_not_attended_to_has_no_say() -> None:
    """What is contrasted with is the same whatever word stands in the span, as long as it has as many tokens."""
    white = model()
    replies = []
    for land in ("Norway", "Italy"):
        prompt = f"the capital of {land} is not"
        start = prompt.index(land)
        mask = white.mask_without(prompt, start, start + len(land))
        assert mask == [1, 1, 1, 0, 1, 1]
        replies.append(white.next_log_probs([prompt], masks=[mask]))
        (found,) = [one for one in detect(white, prompt, mask="attention") if one.text == land]
        whole = white.next_log_probs([prompt])
        assert found.indicator == pytest.approx(indicator(whole, replies[-1]).item(), abs=1e-2)
    torch.testing.assert_close(replies[0], replies[1])
    assert not torch.allclose(white.next_log_probs(["the capital of Norway is not"]), replies[0], atol=1e-2)


def test_generation_keeps_the_span_from_being_attended_to_at_every_step() -> None:
    white, decoding = model(), Decoding(max_new_tokens=6, stop=())
    prompt = "the capital of Norway is not"
    told = {"gate": "always", "span": "Norway", "combiner": CoDA(math.inf, relative=1e-3), "decoding": decoding}
    reply, span = generate(white, prompt, mask="attention", **told)
    assert span is not None
    start = prompt.index("Norway")
    mask = white.mask_without(prompt, start, start + 6)
    tokens = white.encode(prompt)
    for number, traced in enumerate(reply.trace):
        grown = [*tokens, *reply.tokens[:number]]
        hidden = white.stream([grown], masks=[[*mask, *[1] * number]]).log_probs
        whole = white.stream([grown]).log_probs
        assert traced.token == int(told["combiner"].combine(whole, hidden).scores.argmax())
    assert reply.tokens != generate(white, prompt, mask="neutral", **told)[0].tokens


def test_a_prompt_that_would_be_masked_as_a_whole_is_refused() -> None:
    white = model()
    with pytest.raises(UsageError, match="whole prompt"):
        generate(white, "Oslo Bern", span="Oslo Bern", mask="attention")
    assert [one.text for one in detect(white, "Oslo not Bern", mask="attention")]
