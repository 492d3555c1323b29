"""Two streams over one text: they hold the same tokens, plain cases are plain, and rows don't disturb each other."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.white_box.tiny import model
from transformers import LogitsProcessorList

from pansophy.conflicts import (
    ACD,
    COIECD,
    GRD,
    AdaCAD,
    CKPlug,
    Combiner,
    ContextAwareDecoding,
    DoLa,
    Interpolation,
    TwoStreamDecoder,
    TwoStreamProcessor,
    decoding,
)
from pansophy.conflicts.decoding import Decoding, chat_prompts, plain_prompts
from pansophy.errors import ContextOverflow, UsageError
from pansophy.models.white_box import WhiteBoxModel

TWELVE = Decoding(max_new_tokens=12, stop=())
QUESTION, CONTEXT = "the capital of France", "the capital of France is Rome ."
METHODS: tuple[Combiner, ...] = (
    CKPlug(alpha=0.2),
    CKPlug(),
    ContextAwareDecoding(),
    AdaCAD(),
    COIECD(),
    ACD(),
    GRD(),
    DoLa(candidates=(0, 1)),
    Interpolation(),
)


@pytest.fixture(scope="module")
def white() -> WhiteBoxModel:
    return model()


def plainly(white: WhiteBoxModel, prompt: str, count: int) -> list[int]:
    """Greedy tokens, one whole forward pass each."""
    tokens = white.encode(prompt)
    begun = len(tokens)
    while len(tokens) - begun < count:
        best = int(white.network(torch.tensor([tokens])).logits[0, -1].argmax())
        if best in white.end_tokens:
            break
        tokens.append(best)
    return tokens[begun:]


WORDS = ("the", "capital", "of", "Rome", "Oslo", "lamp", "lit", "Ida", "?", "not")
words = st.lists(st.sampled_from(WORDS), min_size=1, max_size=8).map(" ".join)


@settings(max_examples=15, deadline=None)
@given(question=words, context=words)
def test_half_is_plain_decoding_with_the_context_token_for_token(
    white: WhiteBoxModel, question: str, context: str
) -> None:
    reply = TwoStreamDecoder(white).generate(question, context, combiner=CKPlug(alpha=0.5), decoding=TWELVE)
    assert list(reply.tokens) == plainly(white, plain_prompts(question, context)[0], 12)


@settings(max_examples=10, deadline=None)
@given(question=words, context=words)
def test_one_is_plain_decoding_without_it(white: WhiteBoxModel, question: str, context: str) -> None:
    dial = CKPlug(alpha=1, tau=math.inf)
    reply = TwoStreamDecoder(white).generate(question, context, combiner=dial, decoding=TWELVE)
    assert list(reply.tokens) == plainly(white, plain_prompts(question, context)[1], 12)


@settings(max_examples=10, deadline=None)
@given(question=words, context=words, a=st.sampled_from([0.25, 0.5, 1.0]))
def test_the_dial_is_cad_where_gate_and_filter_are_off(
    white: WhiteBoxModel, question: str, context: str, a: float
) -> None:
    decoder = TwoStreamDecoder(white)
    dial, cad = CKPlug(alpha=1 / (2 + a), tau=math.inf, k=None), ContextAwareDecoding(a)
    replies = [decoder.generate(question, context, combiner=one, decoding=TWELVE) for one in (dial, cad)]
    assert replies[0].tokens == replies[1].tokens


@pytest.mark.parametrize("combiner", METHODS, ids=repr)
def test_a_batch_of_different_lengths_gives_what_each_gets_alone(white: WhiteBoxModel, combiner: Combiner) -> None:
    questions = [QUESTION, "lamp", "Q : lit by Ida ? not in Oslo"]
    contexts = [CONTEXT, "a lamp lit by Ida in a city , not by Ben .", ""]
    decoder = TwoStreamDecoder(white)
    together = decoder.generate_all(questions, contexts, combiner=combiner, decoding=TWELVE)
    for question, context, reply in zip(questions, contexts, together, strict=True):
        assert decoder.generate(question, context, combiner=combiner, decoding=TWELVE).tokens == reply.tokens
    assert list(together[2].tokens) == plainly(white, plain_prompts(questions[2], "")[0], 12)  # no context: plain


@pytest.mark.parametrize("combiner", METHODS, ids=repr)
def test_a_step_is_the_combiner_over_what_the_model_gives_both_texts(white: WhiteBoxModel, combiner: Combiner) -> None:
    if combiner.prior == "early layers":
        pytest.skip("its second stream is not another text")
    reply = TwoStreamDecoder(white).generate(QUESTION, CONTEXT, combiner=combiner, decoding=TWELVE)
    prompts = [white.encode(text) for text in plain_prompts(QUESTION, CONTEXT)]
    step = combiner.start()
    for place, token in enumerate(reply.tokens):
        grown = [torch.tensor([prompt + list(reply.tokens[:place])]) for prompt in prompts]
        context, prior = (white.network(one).logits[0, -1:].log_softmax(-1) for one in grown)
        assert int(step(context, prior).scores.argmax()) == token
        traced = reply.trace[place]
        assert traced.context_choice == white.tokenizer.decode([int(context.argmax())])
        assert traced.prior_choice == white.tokenizer.decode([int(prior.argmax())])


@pytest.mark.parametrize("combiner", [CKPlug(alpha=0.2), GRD()], ids=repr)
def test_streams_apart_give_what_streams_in_one_batch_give(
    white: WhiteBoxModel, combiner: Combiner, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder = TwoStreamDecoder(white)
    arguments = [QUESTION, "lamp"], [CONTEXT, "a lamp lit by Ida ."]
    joined = decoder.generate_all(*arguments, combiner=combiner, decoding=TWELVE)
    monkeypatch.setattr(decoding, "LONGEST_JOINED", 0)
    apart = decoder.generate_all(*arguments, combiner=combiner, decoding=TWELVE)
    assert [reply.tokens for reply in joined] == [reply.tokens for reply in apart]


def test_without_a_method_decoding_is_plain_and_the_trace_is_of_one_stream(white: WhiteBoxModel) -> None:
    reply = TwoStreamDecoder(white).generate(QUESTION, CONTEXT, decoding=TWELVE)
    assert list(reply.tokens) == plainly(white, plain_prompts(QUESTION, CONTEXT)[0], 12)
    assert all(one.gated is None and one.context_entropy == one.prior_entropy for one in reply.trace)


def test_sampling_repeats_with_a_seed_and_not_without_the_same(white: WhiteBoxModel) -> None:
    decoder = TwoStreamDecoder(white)

    def sampled(seed: int) -> tuple[int, ...]:
        hot = Decoding(max_new_tokens=20, temperature=1.5, seed=seed, stop=())
        return decoder.generate(QUESTION, CONTEXT, combiner=CKPlug(k=None), decoding=hot).tokens

    assert sampled(1) == sampled(1)
    assert len({sampled(seed) for seed in range(6)}) > 1


def test_a_reply_ends_at_a_stop_which_is_left_out(white: WhiteBoxModel) -> None:
    decoder = TwoStreamDecoder(white)
    whole = decoder.generate(QUESTION, CONTEXT, decoding=TWELVE)
    stop = whole.trace[4].text
    place = next(number for number, one in enumerate(whole.trace) if stop in one.text)
    cut = decoder.generate(QUESTION, CONTEXT, decoding=Decoding(max_new_tokens=12, stop=(stop,)))
    assert cut.finished
    assert len(cut.tokens) == place + 1
    assert cut.text == white.decode(whole.tokens[:place]).strip()
    assert not decoder.generate(QUESTION, CONTEXT, decoding=Decoding(max_new_tokens=1, stop=())).finished


def test_the_processor_gives_what_the_decoder_gives(white: WhiteBoxModel) -> None:
    with_context, without = plain_prompts(QUESTION, CONTEXT)
    for combiner in (CKPlug(alpha=0.2), ContextAwareDecoding(), GRD()):
        reply = TwoStreamDecoder(white).generate(QUESTION, CONTEXT, combiner=combiner, decoding=TWELVE)
        ids = torch.tensor([white.encode(with_context)])
        processors = LogitsProcessorList([TwoStreamProcessor(white, [without], combiner)])
        ran = white.network.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=12,
            do_sample=False,
            logits_processor=processors,
            pad_token_id=1,
        )
        made = ran[0, ids.shape[1] :].tolist()
        assert [one for one in made if one not in white.end_tokens] == list(reply.tokens)


def test_beams_and_early_layers_are_refused_in_the_processor(white: WhiteBoxModel) -> None:
    ids = torch.tensor([white.encode("the capital")])
    processors = LogitsProcessorList([TwoStreamProcessor(white, ["the"], ContextAwareDecoding())])
    with pytest.raises(UsageError, match="beams"):
        white.network.generate(ids, num_beams=2, max_new_tokens=4, logits_processor=processors, pad_token_id=1)
    with pytest.raises(UsageError, match="TwoStreamDecoder"):
        TwoStreamProcessor(white, ["the"], DoLa())


def test_wrong_use_is_told(white: WhiteBoxModel) -> None:
    decoder = TwoStreamDecoder(white)
    with pytest.raises(UsageError, match="2 questions and 1 contexts"):
        decoder.generate_all(["a", "b"], ["c"])
    with pytest.raises(UsageError):
        decoder.generate_all([], [])
    with pytest.raises(UsageError, match="max_new_tokens"):
        Decoding(max_new_tokens=0)
    with pytest.raises(UsageError, match="chat template"):
        TwoStreamDecoder(white, chat_prompts(white)).generate("a", "b")
    with pytest.raises(ContextOverflow):
        decoder.generate("the " * 120, "", decoding=Decoding(max_new_tokens=64, stop=()))


def test_the_trace_is_a_page_in_which_text_is_text(white: WhiteBoxModel) -> None:
    reply = TwoStreamDecoder(white).generate("a < b", "<script> &", combiner=CKPlug(alpha=0.2), decoding=TWELVE)
    page = reply.to_html()
    assert page.count("<tr>") == len(reply.trace) + 1
    assert "<script" not in page
    assert "http" not in page
    assert page.count("<polyline") == 2


def test_the_dial_turns_a_real_model_from_the_text_to_its_memory(smollm2: WhiteBoxModel) -> None:
    decoder = TwoStreamDecoder(smollm2, lambda question, context: (f"{context} {question}", question))
    questions = [f"The name of the capital city of {country} is" for country in ("Italy", "Germany")]
    contexts = [f"{question} {lie}." for question, lie in zip(questions, ("Lima", "Tokyo"), strict=True)]

    def told(alpha: float) -> list[str]:
        replies = decoder.generate_all(questions, contexts, combiner=CKPlug(alpha), decoding=Decoding(max_new_tokens=1))
        return [reply.text for reply in replies]

    assert told(0.25) == ["Lima", "Tokyo"]
    assert told(1) == ["Rome", "Berlin"]
