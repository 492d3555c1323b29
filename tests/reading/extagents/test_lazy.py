"""The lazy law: reading only what the next step needs gives the same answer as reading everything first."""

from __future__ import annotations

import pytest
from tests.reading.extagents.random_runs import Script, both, essence, hashed


async def check(seeds: range) -> None:
    early = 0
    for seed in seeds:
        outcome = await both(Script.of(seed))
        assert outcome.equal, (seed, essence(outcome.lazy), essence(outcome.exhaustive))
        assert outcome.exhaustive_calls - outcome.lazy_calls == outcome.chunks_left >= 0
        if outcome.chunks_left:
            early += 1
            assert outcome.lazy.rounds == 1
    assert early > len(seeds) / 10  # else the law says little


async def test_lazy_seeking_equals_exhaustive_reading():
    await check(range(100))


@pytest.mark.slow
async def test_lazy_seeking_equals_exhaustive_reading_in_a_thousand_runs():
    await check(range(1000))


@pytest.mark.parametrize("seed", range(200, 216))
async def test_reading_ahead_changes_no_answer_whatever_comes_first(seed):
    script = Script.of(seed)
    model = script.model(lambda prompt: hashed("pause", prompt[1].content).uniform(0.0, 0.006))
    ahead = await script.run(model, read_ahead=True)
    exhaustive_model = script.model()
    exhaustive = await script.run(exhaustive_model, exhaustive=True)
    assert essence(ahead) == essence(exhaustive)
    assert len(model.calls) <= len(exhaustive_model.calls)
