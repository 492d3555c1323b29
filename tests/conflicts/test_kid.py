"""KID: plain where it is off, exact in its gradient, and closer to the trie's terms where it is on."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.white_box.tiny import WORDS, model
from torch import Tensor

from pansophy.conflicts.kid import KIDDecoder, KIDSettings, KnowledgeTrie, LocalMemory
from pansophy.conflicts.kid.decoder import _cache_of, _entries, _repeating
from pansophy.conflicts.kid.terms import TermTokens
from pansophy.conflicts.kid.trie import content_words, lemma, triples_of
from pansophy.errors import ContextOverflow, SourceError, UsageError
from pansophy.models.white_box import WhiteBoxModel

PLAIN = KIDSettings(strength=0)
FACTS = [("Ida", "lit", "lamp in Oslo"), ("lamp", "is in", "Norway"), ("Paris", "is", "city of France")]


@pytest.fixture(scope="module")
def white() -> WhiteBoxModel:
    return model()


# --- the trie ---------------------------------------------------------------------------------------------------------


def test_words_are_brought_to_one_form_and_function_words_left_out() -> None:
    words = {"Cities": "city", "lamps": "lamp", "glass": "glass", "Ida's": "ida", "bus": "bus", "is": "is"}
    assert {word: lemma(word) for word in words} == words
    assert content_words("The lamps of Ida's cities were lit by her in 1887.") == ["lamp", "ida", "city", "1887"]


def test_facts_are_taken_from_sentences() -> None:
    text = "Ida Voss founded the harbour library. The lamp was lit at nine! Nothing here."
    assert list(triples_of(text)) == [
        ("Ida Voss", "founded", "the harbour library"),
        ("The lamp", "was", "lit at nine"),
    ]
    trie = KnowledgeTrie.from_texts([text])
    assert trie.strings("ida") == [("ida", "voss", "harbour", "library")]


letters = st.sampled_from("abcdef")
string_lists = st.lists(st.lists(letters, min_size=1, max_size=4), max_size=12)


@given(
    st.lists(st.lists(letters, min_size=1, max_size=4), max_size=12), st.lists(letters, max_size=3), st.integers(1, 4)
)
def test_hops_are_the_closure_that_brute_force_finds(strings: list[list[str]], start: list[str], hops: int) -> None:
    frontier, found = set(start), set()
    for _ in range(hops):
        frontier = {word for string in strings if string[0] in frontier for word in string}
        found |= frontier
    assert set(KnowledgeTrie(strings).query(start, hops)) == found


def test_the_nearest_and_most_frequent_terms_come_first_and_words_match_whole() -> None:
    trie = KnowledgeTrie([("car", "wheel"), ("carbon", "paper"), ("wheel", "axle"), ("wheel", "spoke"), ("x", "spoke")])
    assert trie.query(["car"], 1) == ["wheel", "car"]
    assert trie.query(["car"], 2)[2:] == ["spoke", "axle"]
    assert trie.query(["car"], 2, most=3) == ["wheel", "car", "spoke"]
    assert "paper" not in trie.query(["car"], 3)


def test_a_trie_is_saved_as_plain_text_and_loaded(tmp_path: Path) -> None:
    trie = KnowledgeTrie.from_triples(FACTS)
    trie.save(tmp_path / "trie.json")
    again = KnowledgeTrie.load(tmp_path / "trie.json")
    assert (len(again), again.query(["ida"], 3)) == (3, trie.query(["ida"], 3))
    (tmp_path / "wrong.json").write_text('{"strings": [[1]]}')
    for name in ("wrong.json", "missing.json"):
        with pytest.raises(SourceError):
            KnowledgeTrie.load(tmp_path / name)


@given(st.lists(letters, max_size=30), st.integers(1, 5))
def test_memory_keeps_the_last_words_each_once(words: list[str], size: int) -> None:
    memory = LocalMemory(size)
    memory.hear(" ".join(f"{word}{word}" for word in words))
    expected: list[str] = []
    for word in words:
        expected = [*(one for one in expected if one != word * 2), word * 2]
        expected = expected[-size:]
    assert memory.words() == expected


# --- where a text is led to a term -----------------------------------------------------------------------------------


def test_a_term_begun_is_gone_on_with_and_else_all_are_begun_behind_a_blank(white: WhiteBoxModel) -> None:
    terms, encode, blank = TermTokens(white.tokenizer), white.encode, white.encode(" ")[0]
    whole, spelt, capital = encode(" lamp"), encode(" lex"), encode(" Lex")
    assert (len(whole), spelt[0], capital[0]) == (1, blank, blank)
    assert terms.next(["lamp", "lex"], []) == ([whole[0], *encode(" Lamp")[:1]], False)
    assert terms.next(["lamp", "lex"], encode(" lit l")) == ([spelt[2]], True)
    assert set(terms.next(["lamp", "lex"], [blank])[0]) == {spelt[1], capital[1], encode(" Lamp")[1]}
    assert terms.next(["lamp", "lex"], spelt)[1] is False
    assert terms.next([], spelt) == ([], False)


def test_a_word_ends_where_blanks_and_marks_are_likelier_than_more_of_it(white: WhiteBoxModel) -> None:
    terms, width = TermTokens(white.tokenizer), white.network.config.vocab_size
    for more, end, expected in ((".", " lamp", True), ("x", ".", False), ("x", " lamp", False)):
        plain = torch.full((1, width), -20.0)
        plain[0, white.encode(more)[0]], plain[0, white.encode(end)[0]] = -0.3, -1.4
        assert terms.word_ends(plain) is expected
    wider = torch.cat([torch.full((1, width), -20.0), torch.zeros(1, 3)], -1)
    wider[0, white.encode("x")[0]] = -1.0
    assert terms.word_ends(wider) is False


def test_within_a_word_nothing_is_steered(white: WhiteBoxModel, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = KIDDecoder(white, KnowledgeTrie.from_triples(FACTS))
    tokens = white.encode("lamp lit by Ida in")
    for ends, within, moved in ((True, False, True), (False, False, False), (False, True, True)):
        monkeypatch.setattr(decoder._terms, "word_ends", lambda plain, ends=ends: ends)
        step = decoder._step(decoder._read(tokens[:-1]), tokens[-1], [5, 6], within=within)
        assert (step.divergence > 0) is moved


# --- the decoder ------------------------------------------------------------------------------------------------------


def test_without_strength_or_terms_it_is_plain_sampling_and_the_cache_grows_by_one(white: WhiteBoxModel) -> None:
    trie, prompt = KnowledgeTrie.from_triples(FACTS), "lamp lit by Ida in"
    off = KIDDecoder(white, trie, PLAIN).generate(prompt, max_new_tokens=12, seed=3)
    empty = KIDDecoder(white, KnowledgeTrie()).generate(prompt, max_new_tokens=12, seed=3)
    assert off.tokens == empty.tokens
    tokens = white.encode(prompt)
    generator = torch.Generator().manual_seed(3)
    for token in off.tokens:
        scores = white.network(torch.tensor([tokens])).logits[0, -1].log_softmax(-1)
        scores[_repeating(tokens, 2)] = -torch.inf
        best = scores.topk(20)
        kept = torch.full_like(scores, -torch.inf).scatter(0, best.indices, best.values)
        ordered, places = kept.softmax(-1).sort(descending=True)
        drop = places[(ordered.cumsum(-1) - ordered) >= 0.92]
        kept[drop] = -torch.inf
        assert int(torch.multinomial(kept.softmax(-1), 1, generator=generator)) == token
        tokens.append(token)


def test_the_step_before_it_is_the_same_cache_that_is_gone_on_from(white: WhiteBoxModel) -> None:
    decoder = KIDDecoder(white, KnowledgeTrie.from_triples(FACTS))
    tokens = white.encode("lamp lit by Ida in")
    cache = decoder._read(tokens[:-1])
    entries = [entry.clone() for entry in _entries(cache)]
    step = decoder._step(cache, tokens[-1], [5, 6], within=True)
    assert cache.get_seq_length() == len(tokens) - 1
    assert step.cache.get_seq_length() == len(tokens)
    assert all(torch.equal(a, b) for a, b in zip(entries, _entries(cache), strict=True))
    whole = decoder._read(tokens)
    for ours, plain in zip(_entries(step.cache), _entries(whole), strict=True):
        torch.testing.assert_close(ours, plain, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_the_perturbation_follows_its_formula_with_gradients_by_finite_differences(
    white: WhiteBoxModel, steps: int
) -> None:
    settings = KIDSettings(steps=steps, beta=0.3)
    decoder = KIDDecoder(white, KnowledgeTrie(), settings)
    tokens = white.encode("lamp lit by Ida in")
    cache, token, terms = decoder._read(tokens[:-1]), torch.tensor([[tokens[-1]]]), [5, 9]
    with torch.no_grad():
        plain = decoder._run(decoder._read(tokens[:-1]), token).log_softmax(-1)

    def loss(entries: list[Tensor]) -> float:
        with torch.no_grad():
            probs = decoder._run(_cache_of(entries), token).softmax(-1).double()
        apart = (probs * (probs.clamp(min=1e-15) / plain.double().exp().clamp(min=1e-15)).log()).sum()
        return float(-probs[:, terms].sum().log() + 0.3 * apart)

    moved = _entries(decoder.perturbed(cache, token, terms, plain))
    # the update by numpy, with autograd's gradients checked against differences at the first step
    entries = _entries(cache)
    moves = [np.zeros(entry.shape) for entry in entries]
    norms = [1e-15] * len(entries)
    for step in range(steps):
        now = [
            (entry + torch.tensor(move, dtype=entry.dtype)).requires_grad_()
            for entry, move in zip(entries, moves, strict=True)
        ]
        probs = decoder._run(_cache_of(now), token).softmax(-1)
        apart = (probs * (probs.clamp(min=1e-15) / plain.exp().clamp(min=1e-15)).log()).sum()
        gradients = torch.autograd.grad(-probs[:, terms].sum().log() + 0.3 * apart, now)
        if step == 0:
            place, slot = (0, 1, 2, 3), 1
            nudged = [entry.clone() for entry in entries]
            nudged[slot][place] += 1e-2
            other = [entry.clone() for entry in entries]
            other[slot][place] -= 1e-2
            assert float(gradients[slot][place]) == pytest.approx(
                (loss(nudged) - loss(other)) / 2e-2, rel=2e-2, abs=1e-4
            )
        norms = [max(norm, float(gradient.norm())) for norm, gradient in zip(norms, gradients, strict=True)]
        moves = [m - settings.step_size * g.numpy() / n**1.5 for m, g, n in zip(moves, gradients, norms, strict=True)]
    for entry, move, ours in zip(entries, moves, moved, strict=True):
        np.testing.assert_allclose(ours.numpy(), entry.numpy() + move, atol=1e-4)


def test_terms_become_likelier_and_a_dear_divergence_keeps_close(white: WhiteBoxModel) -> None:
    chance = torch.Generator().manual_seed(0)
    rose, near, far = 0, [], []
    for _ in range(40):
        tokens = torch.randint(2, len(WORDS), (6,), generator=chance).tolist()
        terms = torch.randint(2, len(WORDS), (4,), generator=chance).tolist()
        for beta, kept in ((0.01, far), (20.0, near)):
            decoder = KIDDecoder(white, KnowledgeTrie(), KIDSettings(beta=beta))
            step = decoder._step(decoder._read(tokens[:-1]), tokens[-1], terms, within=True)
            kept.append(step.divergence)
            if beta == 0.01:
                rose += step.after > step.before
    assert rose >= 38
    assert sum(near) < sum(far)
    assert sum(far) / 40 < 0.5


def test_a_trie_draws_the_text_to_its_words(smollm2: WhiteBoxModel) -> None:
    text = "The harbour library was founded by a glassblower. The glassblower kept a lantern and a ledger of storms."
    trie = KnowledgeTrie.from_texts(
        [text, "A storm broke the lantern of the library. The ledger was written by the glassblower."]
    )
    prompt = "The harbour library in the old town is famous because"
    strong = KIDSettings(step_size=0.05)
    told = {
        name: [KIDDecoder(smollm2, trie, settings).generate(prompt, max_new_tokens=10, seed=seed) for seed in range(2)]
        for name, settings in (("plain", PLAIN), ("kid", strong))
    }
    covered = {name: sum(reply.coverage for reply in replies) for name, replies in told.items()}
    assert covered["kid"] > covered["plain"]
    steered = [one for reply in told["kid"] for one in reply.trace if one.divergence]
    assert steered
    assert sum(one.mass_after > one.mass_before for one in steered) >= 0.95 * len(steered)


def test_no_run_comes_twice_and_only_what_would_repeat_is_banned(white: WhiteBoxModel) -> None:
    assert _repeating([1, 2, 3, 1], 2) == [2]
    assert _repeating([1, 2, 3], 2) == []
    assert _repeating([1, 2, 1, 3, 1], 2) == [2, 3]
    assert _repeating([1, 2, 3], 0) == []
    reply = KIDDecoder(white, KnowledgeTrie(), PLAIN).generate("lamp lit", max_new_tokens=40, seed=0)
    text = [*white.encode("lamp lit"), *reply.tokens]
    runs = list(pairwise(text))
    assert len(runs) == len(set(runs))


def test_a_prompt_of_one_token_has_no_cache_to_perturb_and_a_full_window_is_told(white: WhiteBoxModel) -> None:
    decoder = KIDDecoder(white, KnowledgeTrie.from_triples(FACTS))
    assert len(decoder.generate("Ida", max_new_tokens=5, seed=1).tokens) <= 5
    with pytest.raises(ContextOverflow):
        decoder.generate("lamp " * 100, max_new_tokens=63)
    with pytest.raises(UsageError):
        KIDSettings(steps=0)
    with pytest.raises(UsageError):
        KIDSettings(fusion=2)
