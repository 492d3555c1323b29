"""Adapters are trained, broken off, gone on with and loaded again; and the loss is DPO's."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.white_box.tiny import saved
from torch.nn.functional import logsigmoid

from pansophy.conflicts.training import train as training
from pansophy.conflicts.training.answering import answer_rows
from pansophy.conflicts.training.gaps import mean_gaps
from pansophy.conflicts.training.items import Item
from pansophy.conflicts.training.kaft import KaftSettings, build_kaft, evaluate_kaft
from pansophy.conflicts.training.rows import Example, Pair
from pansophy.conflicts.training.settings import TrainingSettings
from pansophy.conflicts.training.train import Progress, train
from pansophy.errors import ModelError, RunError, UnknownModel, UsageError
from pansophy.models.white_box import WhiteBoxModel
from pansophy.models.white_box.adapters import CARD, CONFIG, WEIGHTS

SHORT = TrainingSettings(learning_rate=1e-2, epochs=2, batch=4, max_tokens=60, rank=4, alpha=8, save_every=2)
PLACES = ("Paris", "Rome", "Oslo", "Bern")
EXAMPLES = [
    Example(str(n), "relevant", str(n), "the capital of Norway is", f"lamp in {place}", place)
    for n, place in enumerate(PLACES * 4)
]
PAIRS = [
    Pair(str(n), "A_1", str(n), "the capital is", f"lit in {place}", "Paris", "Rome")
    for n, place in enumerate(PLACES * 4)
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model in a folder."""
    return saved(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def adapter(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(base, "sft", EXAMPLES, tmp_path_factory.mktemp("sft") / "adapter", SHORT).folder


def weights(folder: Path) -> bytes:
    return (folder / WEIGHTS).read_bytes()


def loss_of(white: WhiteBoxModel, rows: list[Example]) -> float:
    """Mean loss of the answers' tokens and the end behind them."""
    put = training.prompts_of(white)
    prompts = [put(row.question, row.context)[0] for row in rows]
    scores = white.log_probs(prompts, [f" {row.answer}<end>" for row in rows])
    return -float(torch.cat(scores).mean())


def test_training_lowers_the_loss_and_the_adapter_is_loaded_like_a_model(base: Path, adapter: Path) -> None:
    before, after = WhiteBoxModel.load(base), WhiteBoxModel.load(adapter)
    assert loss_of(after, EXAMPLES) < 0.7 * loss_of(before, EXAMPLES)
    assert after.identity.startswith(before.identity + "+adapter:")
    assert not any(parameter.requires_grad for parameter in after.network.parameters())
    assert after.anatomy.layers is not None


def test_the_folder_holds_the_adapter_and_its_card_alone(base: Path, adapter: Path) -> None:
    assert {path.name for path in adapter.iterdir()} == {CARD, CONFIG, WEIGHTS}
    card = json.loads((adapter / CARD).read_text())
    assert card["base"] == str(base.resolve())
    assert card["rows"] == {"relevant": 16, "too long": 0}
    assert card["settings"]["learning_rate"] == 1e-2
    assert {"finished", "machine", "versions"} <= set(card)


def test_the_first_loss_is_the_models_own_on_the_answers_alone(base: Path, tmp_path: Path) -> None:
    whole = TrainingSettings(**{**SHORT_FIELDS, "batch": 16, "epochs": 1})
    trained = train(base, "sft", EXAMPLES, tmp_path / "a", whole)
    assert trained.losses[0] == pytest.approx(loss_of(WhiteBoxModel.load(base), EXAMPLES), rel=1e-3)
    uneven = [*EXAMPLES[:8], *(replace(row, answer=f"{row.answer} or Rome") for row in EXAMPLES[8:])]
    losses = [train(base, "sft", uneven, tmp_path / "b", whole).losses]
    losses.append(train(base, "sft", uneven, tmp_path / "c", replace(whole, at_once=4)).losses)
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)  # each token counts alike, in whichever part it is computed


SHORT_FIELDS: dict[str, Any] = {name: getattr(SHORT, name) for name in TrainingSettings.__dataclass_fields__}


@pytest.mark.parametrize("stage", ["sft", "dpo"])
def test_a_training_broken_off_ends_as_one_in_one_go(base: Path, adapter: Path, tmp_path: Path, stage: Any) -> None:
    rows, model = (EXAMPLES, base) if stage == "sft" else (PAIRS, adapter)
    whole = train(model, stage, rows, tmp_path / "whole", SHORT)

    def broken(progress: Progress) -> None:
        if progress.step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(model, stage, rows, tmp_path / "broken", SHORT, on_progress=broken)
    assert not (tmp_path / "broken" / WEIGHTS).exists()
    with pytest.raises(RunError, match="learning_rate"):
        train(model, stage, rows, tmp_path / "broken", TrainingSettings(**{**SHORT_FIELDS, "learning_rate": 1.0}))
    steps: list[int] = []
    resumed = train(model, stage, rows, tmp_path / "broken", SHORT, on_progress=lambda one: steps.append(one.step))
    assert steps == [5, 6, 7, 8]  # from the checkpoint of step 4
    assert resumed.losses == pytest.approx(whole.losses[4:])
    assert weights(resumed.folder) == weights(whole.folder)


def test_the_same_seed_trains_the_same_adapter_and_another_another(base: Path, adapter: Path, tmp_path: Path) -> None:
    white = WhiteBoxModel.load(base)
    kept = {name: one.clone() for name, one in white.network.state_dict().items()}
    again = train(white, "sft", EXAMPLES, tmp_path / "again", SHORT)
    assert weights(again.folder) == weights(adapter)
    assert all(torch.equal(one, kept[name]) for name, one in white.network.state_dict().items())
    other = train(base, "sft", EXAMPLES, tmp_path / "other", TrainingSettings(**{**SHORT_FIELDS, "seed": 1}))
    assert weights(other.folder) != weights(adapter)


def test_preferring_begins_at_ln_2_and_makes_the_chosen_answer_likelier(adapter: Path, tmp_path: Path) -> None:
    trained = train(adapter, "dpo", PAIRS, tmp_path / "dpo", SHORT)
    assert trained.losses[0] == pytest.approx(math.log(2), abs=1e-5)
    assert trained.losses[-1] < math.log(2) - 0.01
    before, after = WhiteBoxModel.load(adapter), WhiteBoxModel.load(trained.folder)
    assert margin(after) > margin(before)
    assert json.loads((trained.folder / CARD).read_text())["from_adapter"] == before.identity


def margin(white: WhiteBoxModel) -> float:
    """By how much the chosen answers are likelier, in nats a pair."""
    put = training.prompts_of(white)
    prompts = [put(pair.question, pair.context)[0] for pair in PAIRS]
    sides = [white.log_probs(prompts, [f" {getattr(pair, side)}" for pair in PAIRS]) for side in ("chosen", "rejected")]
    return sum(float(a.sum() - b.sum()) for a, b in zip(*sides, strict=True)) / len(PAIRS)


def dpo_loss(chosen: torch.Tensor, rejected: torch.Tensor, beta: float) -> torch.Tensor:
    """The paper's loss, of the two sides' log-ratios to the reference."""
    return -logsigmoid(beta * (chosen - rejected)).mean()


def test_the_second_loss_is_that_of_the_papers_formula(adapter: Path, base: Path, tmp_path: Path) -> None:
    """trl's loss after a step equals the formula, computed from what our own scoring gives both models."""
    one = TrainingSettings(**{**SHORT_FIELDS, "batch": 16, "epochs": 1})
    moved = train(adapter, "dpo", PAIRS, tmp_path / "moved", one).folder
    policy, reference = WhiteBoxModel.load(moved), WhiteBoxModel.load(adapter)
    ratios = []
    for side in ("chosen", "rejected"):
        put = training.prompts_of(policy)
        prompts = [put(pair.question, pair.context)[0] for pair in PAIRS]
        answers = [f" {getattr(pair, side)}<end>" for pair in PAIRS]
        now, then = (white.log_probs(prompts, answers) for white in (policy, reference))
        ratios.append(torch.stack([a.sum() - b.sum() for a, b in zip(now, then, strict=True)]))
    expected = float(dpo_loss(ratios[0], ratios[1], 0.1))
    assert expected < math.log(2)
    two = TrainingSettings(**{**SHORT_FIELDS, "batch": 16, "epochs": 2, "save_every": 1})
    losses = train(adapter, "dpo", PAIRS, tmp_path / "two", two).losses
    # both runs take the same first step: the rate has not fallen yet
    assert losses[1] == pytest.approx(expected, abs=1e-4)


def test_the_preferred_answers_own_loss_is_added_by_its_weight(adapter: Path, tmp_path: Path) -> None:
    one = TrainingSettings(**{**SHORT_FIELDS, "batch": 16, "epochs": 1, "imitation": 0.5})
    trained = train(adapter, "dpo", PAIRS, tmp_path / "both", one)
    chosen = [Example(pair.id, "", pair.id, pair.question, pair.context, pair.chosen) for pair in PAIRS]
    before, after = (WhiteBoxModel.load(folder) for folder in (adapter, trained.folder))
    assert trained.losses[0] == pytest.approx(math.log(2) + 0.5 * loss_of(before, chosen), abs=1e-4)
    alone = train(adapter, "dpo", PAIRS, tmp_path / "alone", replace(one, imitation=0)).folder
    assert loss_of(after, chosen) < loss_of(WhiteBoxModel.load(alone), chosen)


def test_the_gradient_raises_the_chosen_answer() -> None:
    chosen, rejected = (torch.zeros(5, requires_grad=True) for _ in range(2))
    loss = dpo_loss(chosen, rejected, 0.1)
    assert float(loss.detach()) == pytest.approx(math.log(2))
    loss.backward()
    assert (chosen.grad < 0).all()
    assert (rejected.grad > 0).all()


def test_pairs_of_different_lengths_are_refused_unless_forced(base: Path, tmp_path: Path) -> None:
    long = [
        Pair("1", "A_1", "1", "is", "lamp", "Rome " * 9, "Oslo"),
        Pair("2", "A_2", "2", "is", "lamp", "Rome", "Oslo"),
    ]
    with pytest.raises(UsageError, match=r"A_1 \+\d+"):
        train(base, "dpo", long, tmp_path / "a", SHORT)
    assert not (tmp_path / "a").exists()
    assert train(base, "dpo", long, tmp_path / "a", SHORT, force=True).rows == 2
    assert mean_gaps({"x": [2, -4]}) == {"x": -1}


def test_an_adapter_is_trained_further(base: Path, adapter: Path, tmp_path: Path) -> None:
    further = train(adapter, "sft", EXAMPLES, tmp_path / "further", SHORT)
    assert loss_of(WhiteBoxModel.load(further.folder), EXAMPLES) < loss_of(WhiteBoxModel.load(adapter), EXAMPLES)
    assert json.loads((further.folder / CARD).read_text())["base"] == str(base.resolve())


def test_a_finished_adapter_is_not_trained_again(base: Path, adapter: Path) -> None:
    before = weights(adapter)
    again = train(base, "sft", EXAMPLES, adapter, SHORT)
    assert again.losses == ()
    assert weights(adapter) == before


def test_rows_that_are_too_long_are_left_out_and_told(base: Path, tmp_path: Path) -> None:
    long = Example("x", "relevant", "x", "is", "lamp " * 60, "Rome")
    trained = train(base, "sft", [*EXAMPLES, long], tmp_path / "a", SHORT)
    assert (trained.rows, trained.too_long) == (16, 1)
    with pytest.raises(UsageError, match="raise it"):
        train(base, "sft", [long], tmp_path / "b", SHORT)


@pytest.mark.parametrize(("stage", "rows"), [("sft", PAIRS), ("dpo", EXAMPLES), ("sft", [])])
def test_rows_of_the_other_stage_are_refused(base: Path, tmp_path: Path, stage: Any, rows: Any) -> None:
    with pytest.raises(UsageError, match="learns from"):
        train(base, stage, rows, tmp_path / "a", SHORT)


def test_a_folder_with_something_else_is_left_alone(base: Path, adapter: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(RunError, match="not empty"):
        train(base, "sft", EXAMPLES, tmp_path, SHORT)
    with pytest.raises(RunError, match="rows"):
        train(base, "sft", EXAMPLES[1:], adapter, SHORT)


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA"), RuntimeError("DefaultCPUAllocator: not enough memory"), MemoryError()]
)
def test_memory_that_runs_out_names_smaller_settings(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    class Hungry:
        def add_callback(self, _: object) -> None: ...

        remove_callback = add_callback

        def train(self, **_: object) -> None:
            raise error

    monkeypatch.setattr(training, "_trainer", lambda *_, **__: Hungry())
    with pytest.raises(ModelError, match=r"at_once=2 or checkpointing=True or max_tokens=30"):
        train(base, "sft", EXAMPLES, tmp_path / "a", SHORT)


def test_other_errors_are_not_taken_for_memory(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(training, "_trainer", fail)
    with pytest.raises(RuntimeError, match="shapes differ"):
        train(base, "sft", EXAMPLES, tmp_path / "a", SHORT)


def test_an_adapter_of_other_weights_or_a_damaged_one_is_refused(base: Path, adapter: Path, tmp_path: Path) -> None:
    def copied(name: str, **changes: Any) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        for path in adapter.iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
        card = json.loads((folder / CARD).read_text())
        (folder / CARD).write_text(json.dumps({**card, **changes}))
        return folder

    with pytest.raises(UnknownModel, match="was trained on folder:other"):
        WhiteBoxModel.load(copied("other", base_identity="folder:other"))
    with pytest.raises(UnknownModel, match="is no white-box model"):
        WhiteBoxModel.load(copied("gone", base=str(tmp_path / "nowhere" / "at" / "all")))
    broken = copied("broken")
    (broken / WEIGHTS).unlink()
    with pytest.raises(UnknownModel, match="broken off"):
        WhiteBoxModel.load(broken)


@pytest.mark.parametrize("changes", [{"batch": 0}, {"at_once": 3}, {"learning_rate": -1.0}])
def test_impossible_settings_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        TrainingSettings(**changes)


def test_settings_and_builders_load_no_torch() -> None:
    code = (
        "import sys, pansophy.conflicts.training.kaft, pansophy.conflicts.training.settings; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_tiny_model_learns_what_every_slice_teaches_and_relevant_texts_alone_do_not(
    base: Path, tmp_path: Path
) -> None:
    """On the rows themselves: what the mixture says can be learnt, and falling back on memory must be taught."""
    lands = {"France": "Paris", "Italy": "Rome", "Norway": "Oslo"}
    made = [Item(land, f"capital of {land}", (city,), f"{land} is lit by {city}", land) for land, city in lands.items()]
    own = dict.fromkeys(lands, "Bern")
    rows = build_kaft(made, own, KaftSettings(empty=1)).rows
    taught = {"kaft": rows, "relevant": [row for row in rows if row.kind == "relevant"] * 4}
    long = TrainingSettings(learning_rate=1e-2, epochs=80, batch=12, max_tokens=60, rank=8, alpha=16, save_every=1000)
    reports = {}
    for name, mixture in taught.items():
        trained = train(base, "sft", mixture, tmp_path / name, long)
        replies = answer_rows(WhiteBoxModel.load(trained.folder), rows, max_new_tokens=4)
        reports[name] = evaluate_kaft(rows, replies)
    assert reports["kaft"].controllability.mean == reports["kaft"].robustness.mean == 1
    assert reports["kaft"].relevant_exact.mean == reports["relevant"].relevant_exact.mean == 1
    assert reports["relevant"].robustness.mean == 0
