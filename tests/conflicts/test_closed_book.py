"""What a model believes without a text, how surely, and that nothing is asked twice."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conflicts.samplers import Broken, TableSampler

from pansophy.conflicts.closed_book import CachedSampler, ClosedBookProber, ClosedBookSettings, belief_of
from pansophy.conflicts.sampling import VOCABULARY, ChatSampler, Sample, distributions, mean_distribution
from pansophy.engine import Engine, Limits
from pansophy.errors import EmptyReply, StoreError, UsageError
from pansophy.models.scripted import ScriptedModel
from pansophy.types import Completion, TokenLogprob, Usage


def test_the_belief_is_what_most_samples_say_in_the_first_ones_words() -> None:
    said = ["Lyon", "The Paris.", "paris", "Paris", "Rome"]
    belief = belief_of("Capital?", [Sample(text, (-0.5, -1.5)) for text in said])
    assert (belief.answer, belief.sureness, belief.log_likelihood) == ("The Paris.", 0.6, -1.0)
    assert belief.others == (("Lyon", 0.2), ("Rome", 0.2))
    assert belief_of("Capital?", [Sample("Paris")]).log_likelihood is None


@given(st.lists(st.sampled_from(["Paris", "Lyon", "Rome", ""]), min_size=1, max_size=12))
def test_shares_add_up_and_none_is_larger_than_the_beliefs(said: list[str]) -> None:
    belief = belief_of("Capital?", [Sample(text) for text in said])
    shares = [belief.sureness, *(share for _, share in belief.others)]
    assert sum(shares) == pytest.approx(1)
    assert belief.sureness == max(shares) == said.count(belief.answer) / len(said)


async def test_every_wording_is_asked() -> None:
    sampler = TableSampler(lambda prompt, number: Sample("Paris" if "France" in prompt else "Lyon"))
    prober = ClosedBookProber(sampler, ClosedBookSettings(samples=4))
    belief = await prober.believe("Capital of France?", ["Where does France's government sit?", "Best food?"])
    assert (belief.answer, belief.samples, sampler.drawn) == ("Paris", 12, 12)
    assert belief.sureness == pytest.approx(2 / 3)
    assert belief.to_dict()["others"] == [["Lyon", pytest.approx(1 / 3)]]


@pytest.mark.parametrize("wrong", [{"samples": 1}, {"temperature": 0.0}])
def test_settings_that_can_show_no_doubt_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        ClosedBookSettings(**wrong)  # type: ignore[arg-type]


async def test_a_question_of_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="empty"):
        await ClosedBookProber(TableSampler(lambda *_: Sample("x"))).believe(" ")


async def test_what_was_drawn_before_a_break_is_not_drawn_again(tmp_path: Path) -> None:
    def answers(prompt: str, number: int) -> Sample:
        return Sample(f"{'France' in prompt} {number}", (-0.25 * number,))

    async def probe(sampler: TableSampler) -> list[object]:
        prober = ClosedBookProber(
            CachedSampler(sampler, tmp_path / "new" / "kept.sqlite"), ClosedBookSettings(samples=3)
        )
        return [await prober.believe(question) for question in ("Capital of France?", "Capital of Italy?")]

    broken = TableSampler(answers, breaks_after=3)
    with pytest.raises(Broken):
        await probe(broken)
    after = TableSampler(answers)
    resumed = await probe(after)
    assert (broken.drawn, after.drawn) == (3, 3)
    whole = ClosedBookProber(TableSampler(answers), ClosedBookSettings(samples=3))
    assert resumed == [await whole.believe("Capital of France?"), await whole.believe("Capital of Italy?")]


async def test_another_model_or_setting_is_drawn_anew(tmp_path: Path) -> None:
    sampler = TableSampler(lambda prompt, number: Sample("Paris"))
    cached = CachedSampler(sampler, tmp_path / "kept.sqlite")
    for settings in (
        ClosedBookSettings(samples=2),
        ClosedBookSettings(samples=2, seed=5),
        ClosedBookSettings(samples=3),
    ):
        await ClosedBookProber(cached, settings).believe("Capital?")
    assert sampler.drawn == 7
    other = TableSampler(lambda prompt, number: Sample("Lyon"))
    other.identity = "another"
    belief = await ClosedBookProber(
        CachedSampler(other, tmp_path / "kept.sqlite"), ClosedBookSettings(samples=2)
    ).believe("Capital?")
    assert belief.answer == "Lyon"


async def test_a_file_that_is_no_store_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "kept.sqlite").write_text("not a database, but long enough to be read as one" * 40)
    cached = CachedSampler(TableSampler(lambda *_: Sample("x")), tmp_path / "kept.sqlite")
    with pytest.raises(StoreError, match=r"kept\.sqlite"):
        await ClosedBookProber(cached).believe("Capital?")


def completion(*tokens: TokenLogprob) -> Completion:
    return Completion("".join(token.token for token in tokens), "stop", Usage(calls=1), tokens)


async def test_a_chat_model_answers_with_its_seeds_and_an_empty_reply_is_an_empty_answer() -> None:
    replies = [completion(TokenLogprob("Par", -0.5), TokenLogprob("is", -0.1)), EmptyReply("nothing"), "Lyon"]
    model = ScriptedModel(replies)
    sampler = ChatSampler(model, Engine(Limits(concurrency=1, attempts=1)))
    samples = await sampler.sample([], count=3, temperature=0.5, max_tokens=9, seed=7)
    assert [sample.text for sample in samples] == ["Paris", "", "Lyon"]
    assert samples[0].log_likelihood == pytest.approx(-0.3)
    assert samples[2].log_likelihoods is None
    assert sorted(call.seed or 0 for call in model.calls) == [7, 8, 9]
    assert sampler.identity == model.identity


def test_a_distribution_is_the_mean_over_places_and_unseen_tokens_share_the_rest() -> None:
    half, quarter = math.log(0.5), math.log(0.25)
    table = mean_distribution([TokenLogprob("a", half, (("a", half), ("b", quarter))), TokenLogprob("b", half)])
    assert table == pytest.approx({"a": 0.25, "b": 0.375})
    rows = distributions([Sample("x", None, table), Sample("y", None, {"c": 1.0}), Sample("")])
    assert rows is not None
    assert rows.sum(axis=1) == pytest.approx([1, 1, 1])
    assert rows[0, :2] == pytest.approx([0.25, 0.375])
    assert rows[0, 2] == pytest.approx(0.375 / VOCABULARY)
    assert rows[1, 2] == pytest.approx(1, abs=1e-6)
    assert (rows > 0).all()


def test_distributions_are_of_one_vocabulary_or_there_are_none() -> None:
    whole = np.array([0.5, 0.5], np.float32)
    assert distributions([Sample("x", None, whole), Sample("y")]) is None
    rows = distributions([Sample("x", None, whole), Sample("")])
    assert rows is not None
    assert rows.shape == (2, 2)
    with pytest.raises(ValueError, match="vocabularies"):
        distributions([Sample("x", None, whole), Sample("y", None, {"a": 1.0})])
