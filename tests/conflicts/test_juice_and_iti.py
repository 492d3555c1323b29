"""JUICE and ITI: heads are scaled by what they said untouched, and shifted towards where truth can be read off."""

from __future__ import annotations

import pytest
import torch
from tests.conflicts.test_ph3 import CONTEXT_HEAD, MEMORY_HEAD, built, built_facts
from tests.white_box.tiny import model

from pansophy.conflicts.iti import Steering, fit
from pansophy.conflicts.juice import Intervention, choose_heads, tune
from pansophy.conflicts.ph3 import HeadMask
from pansophy.errors import UsageError
from pansophy.models.white_box import Head, captured_heads, edited_heads

PROMPTS = ["the capital of France is", "lamp lit by Ida"]


# --- JUICE ------------------------------------------------------------------------------------------------------------


def test_without_strengths_the_model_is_as_it_was_and_minus_one_in_the_last_layer_is_pruning() -> None:
    white = model()
    torch.testing.assert_close(Intervention({}).next_log_probs(white, PROMPTS), white.next_log_probs(PROMPTS))
    removed = Intervention({Head(1, 2): -1.0}).next_log_probs(white, PROMPTS)
    with HeadMask((Head(1, 2),)).applied(white):
        torch.testing.assert_close(removed, white.next_log_probs(PROMPTS), atol=1e-4, rtol=1e-4)


def test_what_is_added_is_what_was_said_untouched_and_not_what_follows_from_the_change() -> None:
    white, strengths = model(), {Head(0, 1): 4.0, Head(1, 2): 4.0}
    prompt = [white.encode(PROMPTS[0])]
    with captured_heads(white.anatomy) as said:
        white.stream(prompt)
    untouched = [layer.clone() for layer in said]
    expected = Intervention({Head(0, 1): 4.0}).next_log_probs(white, PROMPTS[:1])
    both = Intervention(strengths).next_log_probs(white, PROMPTS[:1])
    assert not torch.allclose(expected, both, atol=1e-3)

    def by_hand(layer: int, outputs: torch.Tensor) -> torch.Tensor:
        outputs = outputs.clone()
        for (at, head), strength in strengths.items():
            if at == layer:
                outputs[..., head, :] += strength * untouched[layer][..., head, :]
        return outputs

    with edited_heads(white.anatomy, by_hand):
        torch.testing.assert_close(both, white.stream(prompt).log_probs)


def test_a_head_that_helps_on_every_kind_of_prompt_is_chosen_and_turns_a_built_model() -> None:
    white, known = built(), built_facts()
    heads = choose_heads(white, known[:4], "memory", each=2)
    assert heads.enlarged == (MEMORY_HEAD,)
    assert CONTEXT_HEAD not in heads.suppressed  # without a lie it says nothing, so that nothing is gained there
    intervention, share = tune(white, heads, known[4:], "memory", grid=((1.0, 30.0), (-1.0,)))
    assert (dict(intervention.strengths), share) == ({MEMORY_HEAD: 30.0}, 1)
    best = intervention.next_log_probs(white, [one.fact.substituted for one in known]).argmax(-1).tolist()
    assert best == [one.memory for one in known]
    prompt = known[0].fact.substituted
    assert intervention.generate(white, prompt, max_new_tokens=1) == known[0].fact.answers[0]
    assert Intervention({}).generate(white, prompt, max_new_tokens=1) == known[0].fact.lie


def test_wrong_heads_are_told() -> None:
    with pytest.raises(UsageError, match="no head L9H0"):
        Intervention({Head(9, 0): 1.0}).next_log_probs(model(), PROMPTS)


# --- ITI --------------------------------------------------------------------------------------------------------------


def statements() -> tuple[list[str], list[bool]]:
    """True: what ends in "lamp"; false: what ends in "not". Any head that copies its last word tells them apart."""
    chance = torch.Generator().manual_seed(0)
    words = ["the", "capital", "of", "is", "was", "in", "a", "city"]
    texts, labels = [], []
    for place in range(80):
        picked = [words[n] for n in torch.randint(0, len(words), (4,), generator=chance).tolist()]
        texts.append(" ".join([*picked, "lamp" if place % 2 else "not"]))
        labels.append(bool(place % 2))
    return texts, labels


def test_probes_find_where_it_can_be_read_off_and_the_shift_goes_there() -> None:
    white = model()
    steering = fit(white, *statements(), heads=3)
    assert len(steering.shifts) == 3
    assert [shift.accuracy for shift in steering.shifts] == sorted((s.accuracy for s in steering.shifts), reverse=True)
    best = steering.shifts[0]
    assert best.accuracy >= 0.9
    prompt = [white.encode("the city is not")]
    with captured_heads(white.anatomy) as before:
        white.stream(prompt)
    kept = before[best.head.layer][0, :, best.head.head].clone()
    with steering.applied(white, 2.0), captured_heads(white.anatomy) as after:
        white.stream(prompt)
    moved = after[best.head.layer][0, :, best.head.head]
    if best.head.layer == 0:  # a later layer also sees what an earlier one was moved by
        torch.testing.assert_close(moved[-1] - kept[-1], 2 * best.step, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(moved[:-1], kept[:-1])
    assert not torch.allclose(moved[-1], kept[-1])


def test_a_shift_in_the_weights_is_the_shift_at_every_position_and_is_undone() -> None:
    white = model("gpt2")  # its output projections have biases
    steering = fit(white, *statements(), heads=2)
    one_token = ["lamp"]
    before = white.next_log_probs(one_token)
    with steering.applied(white, 3.0):
        shifted = white.next_log_probs(one_token)
    with steering.baked_in(white, 3.0):
        torch.testing.assert_close(white.next_log_probs(one_token), shifted, atol=1e-4, rtol=1e-4)
    assert torch.equal(white.next_log_probs(one_token), before)
    assert not torch.allclose(before, shifted, atol=1e-3)
    with pytest.raises(UsageError, match="no bias"), Steering(()).baked_in(model()):
        pass


def test_statements_of_one_kind_are_refused() -> None:
    texts, labels = statements()
    for wrong in ((texts, [True] * len(texts)), (texts, labels[:-1]), (texts[:4], labels[:4])):
        with pytest.raises(UsageError):
            fit(model(), *wrong)
