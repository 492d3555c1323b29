"""Cards are trained, kept, shared and taken away: with tiny models in the place of real ones."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.white_box.tiny import saved, tokenizer

from pansophy import ScriptedModel
from pansophy.errors import RunError, SourceError, UnknownModel, UsageError
from pansophy.models.white_box.adapters import CARD, CONFIG, WEIGHTS
from pansophy.reading.cook import Card, CardPool, CardTraining, CooK, CookSettings, SharedBases
from pansophy.reading.cook.training import Blocks, tokens_of
from pansophy.reading.cook.writing import Draw

SHORT = CardTraining(learning_rate=2e-2, epochs=3, batch=2, max_tokens=8, rank=4, alpha=8, save_every=2)
TEXTS = {"rome": "the capital of Italy is Rome . " * 8, "oslo": "the capital of Norway is Oslo . " * 8}
QUESTION = "the capital of"
DRAW = Draw(3, 6, 1.0, 0)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("models") / "tiny")


def trained(base: Path, name: str, output: Path, settings: CardTraining = SHORT) -> Card:
    return Card.train(TEXTS[name], base, name, f"Knows {name}.", output=output, licence="CC0-1.0", settings=settings)


@pytest.fixture(scope="module")
def cards(base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Card]:
    folder = tmp_path_factory.mktemp("cards")
    return {name: trained(base, name, folder / name) for name in TEXTS}


def asked(pool: CardPool, *names: str) -> str:
    """All that comes of a question, as bytes would have it."""
    llm = ScriptedModel(lambda messages, _: messages[-1].content)
    settings = CookSettings(documents=3, card_tokens=6, kept=2)
    return json.dumps(CooK(pool, llm, settings=settings).answer(QUESTION, cards=names).to_dict())


def test_a_card_learns_its_text(base: Path, tmp_path: Path) -> None:
    long = CardTraining(learning_rate=2e-2, epochs=40, batch=2, max_tokens=8, rank=4, alpha=8, save_every=1000)
    card = trained(base, "oslo", tmp_path / "oslo", long)
    (said,) = SharedBases().write(card, ["the capital of Norway is"], Draw(1, 1, 0.0, 0))
    assert said == ["Oslo"]


def test_the_folder_says_what_the_card_is(base: Path, cards: dict[str, Card]) -> None:
    card = cards["rome"]
    assert card.folder is not None
    assert {path.name for path in card.folder.iterdir()} == {"card.json", CARD, CONFIG, WEIGHTS}
    told = json.loads((card.folder / "card.json").read_text())
    assert (told["name"], told["description"], told["licence"]) == ("rome", "Knows rome.", "CC0-1.0")
    assert told["base"] == str(base.resolve())
    assert told["base_identity"] == told["tokenizer"] == "folder:tiny"
    assert told["digest"] == f"sha256:{told['sha256'][WEIGHTS]}"
    assert Card.at(card.folder) == card


def test_a_training_broken_off_ends_as_one_in_one_go(base: Path, cards: dict[str, Card], tmp_path: Path) -> None:
    def broken(progress: object) -> None:
        if progress.step == 5:  # type: ignore[attr-defined]
            raise KeyboardInterrupt

    how = {"output": tmp_path / "rome", "licence": "CC0-1.0", "settings": SHORT}
    with pytest.raises(KeyboardInterrupt):
        Card.train(TEXTS["rome"], base, "rome", "Knows rome.", **how, on_progress=broken)  # type: ignore[arg-type]
    with pytest.raises(UnknownModel, match=r"no card\.json"):
        Card.at(tmp_path / "rome")
    steps: list[int] = []
    again = Card.train(
        TEXTS["rome"],
        base,
        "rome",
        "Knows rome.",
        **how,
        on_progress=lambda one: steps.append(one.step),  # type: ignore[arg-type]
    )
    assert steps[0] == 5  # from the checkpoint of step 4
    assert again.digest == cards["rome"].digest


def test_a_folder_with_another_card_or_text_is_refused(base: Path, cards: dict[str, Card], tmp_path: Path) -> None:
    folder = cards["rome"].folder
    assert folder is not None
    with pytest.raises(RunError, match="holds the card rome"):
        Card.train(TEXTS["rome"], base, "other", "Knows rome.", output=folder, settings=SHORT)
    with pytest.raises(RunError, match="tokens_sha256"):
        Card.train(TEXTS["oslo"], base, "rome", "Knows rome.", output=folder, settings=SHORT)


def test_blocks_are_the_joined_text_without_what_is_left_over() -> None:
    words = tokenizer()
    documents = tokens_of(words, ["a city is", "lit by Ida"])
    blocks = Blocks(documents, 3, seed=0)
    assert [words.decode(blocks[place]["input_ids"]) for place in range(len(blocks))] == ["a city is", "<end>lit by"]
    assert blocks[1]["labels"] == blocks[1]["input_ids"]
    with pytest.raises(UsageError, match="has 8 tokens, and a block 128"):
        Blocks(documents, 128, seed=0)


def test_each_epoch_joins_the_documents_in_another_order() -> None:
    documents = [[number] * 3 for number in range(20)]
    blocks = Blocks(documents, 3, seed=1)
    epochs = []
    for epoch in (0, 1, 2, 1):
        blocks.begin(epoch)
        epochs.append([blocks[place]["input_ids"] for place in range(len(blocks))])
    assert epochs[0] == documents
    assert epochs[1] != epochs[0]
    assert epochs[2] not in (epochs[0], epochs[1])
    assert epochs[3] == epochs[1]
    assert all(sorted(epoch) == documents for epoch in epochs)


def test_a_training_goes_on_in_the_order_of_its_epoch(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [tmp_path / f"{number}.txt" for number in range(6)]
    for path, word in zip(files, ("Paris", "Rome", "Oslo", "Bern", "Ida", "Ben"), strict=True):
        path.write_text(f"a city is lit by {word}")
    settings = replace(SHORT, epochs=2, batch=1, save_every=1)
    begun, begin = [], Blocks.begin

    def noted(blocks: Blocks, epoch: int) -> None:
        begun.append(epoch)
        begin(blocks, epoch)

    monkeypatch.setattr(Blocks, "begin", noted)

    def broken(progress: object) -> None:
        if progress.step == 9:  # type: ignore[attr-defined] # of ten, five an epoch
            raise KeyboardInterrupt

    whole = Card.train(files, base, "city", "Knows cities.", output=tmp_path / "whole", settings=settings)
    assert begun == [0, 0, 1]  # made, and two epochs
    with pytest.raises(KeyboardInterrupt):
        Card.train(files, base, "city", "Knows.", output=tmp_path / "c", settings=settings, on_progress=broken)
    begun.clear()
    again = Card.train(files, base, "city", "Knows cities.", output=tmp_path / "c", settings=settings)
    assert begun == [0, 1]
    assert again.digest == whole.digest


def test_files_are_read_each_as_a_document(base: Path, cards: dict[str, Card], tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "rome.md").write_text(TEXTS["rome"])
    for number, sources in enumerate((tmp_path / "notes", [str(tmp_path / "notes" / "*.md")])):
        output = tmp_path / str(number)
        card = Card.train(sources, base, "rome", "Knows rome.", output=output, settings=SHORT)
        assert card.digest == cards["rome"].digest
    with pytest.raises(SourceError):
        Card.train([tmp_path / "none.md"], base, "rome", "Knows rome.", output=tmp_path / "x", settings=SHORT)
    with pytest.raises(UsageError, match="no text"):
        Card.train(" ", base, "rome", "Knows rome.", output=tmp_path / "x", settings=SHORT)


@pytest.mark.parametrize(("name", "description"), [("a b", "Knows."), ("", "Knows."), ("a.b", "Knows."), ("a", " ")])
def test_a_card_needs_a_plain_name_and_a_description(name: str, description: str) -> None:
    with pytest.raises(UsageError):
        Card.of(name, description, "embedded")


def test_cards_of_one_base_share_its_weights(cards: dict[str, Card]) -> None:
    bases = SharedBases()
    alone = {name: SharedBases().write(card, [QUESTION], DRAW) for name, card in cards.items()}
    assert alone["rome"] != alone["oslo"]
    bases.write(cards["rome"], [QUESTION], DRAW)
    (held,) = bases.loaded.values()
    size, places = sum(one.numel() for one in held.network.parameters()), _places(held.network)
    assert bases.write(cards["oslo"], [QUESTION], DRAW) == alone["oslo"]
    assert bases.write(cards["rome"], [QUESTION], DRAW) == alone["rome"]
    (both,) = bases.loaded.values()
    oslo = cards["oslo"].digest.removeprefix("sha256:")[:16]
    assert both.network is held.network
    assert places == _places(both.network)
    adapter = sum(one.numel() for name, one in both.network.named_parameters() if f".{oslo}." in name)
    assert sum(one.numel() for one in both.network.parameters()) == size + adapter


def _places(network: object) -> dict[str, int]:
    """Where the weights that no card owns are in memory."""
    named = network.named_parameters()  # type: ignore[attr-defined]
    return {name: one.data_ptr() for name, one in named if "lora" not in name}


def test_several_questions_at_once_get_their_own_documents(cards: dict[str, Card]) -> None:
    said = SharedBases().write(cards["rome"], [QUESTION, "a lamp"], Draw(2, 4, 0.0, 0))
    assert [len(each) for each in said] == [2, 2]
    assert said[0] == SharedBases().write(cards["rome"], [QUESTION], Draw(2, 4, 0.0, 0))[0]


def test_cards_come_and_go_without_touching_others(cards: dict[str, Card], tmp_path: Path) -> None:
    pool = CardPool([cards["oslo"]])
    before = asked(pool)
    pool.add(cards["rome"])
    assert asked(pool) != before  # both are asked
    assert asked(pool, "oslo") == before
    assert asked(pool, "rome") == asked(CardPool([cards["rome"]]))
    pool.remove("rome")
    assert asked(pool) == before
    pool.remove("oslo")
    assert pool._bases.loaded == {}
    with pytest.raises(UsageError, match="no cards"):
        asked(pool)


def test_stored_cards_are_copies_that_are_found_again(cards: dict[str, Card], tmp_path: Path) -> None:
    pool = CardPool.open(tmp_path)
    for card in cards.values():
        pool.add(card)
    pool.add(Card.of("talker", "Knows a little of all.", "embedded"))
    files = {path: path.read_bytes() for path in (tmp_path / "cards" / "oslo").iterdir()}
    again = CardPool.open(tmp_path)
    assert [card.name for card in again] == ["oslo", "rome", "talker"]
    assert asked(again, "oslo") == asked(CardPool(cards.values()), "oslo")
    assert (again["talker"].model, again["talker"].folder) == ("embedded", None)
    again.remove("rome")
    assert [card.name for card in CardPool.open(tmp_path)] == ["oslo", "talker"]
    assert {path: path.read_bytes() for path in (tmp_path / "cards" / "oslo").iterdir()} == files
    assert cards["rome"].folder is not None
    assert Card.at(cards["rome"].folder) == cards["rome"]


def test_a_name_is_taken_once_and_a_model_in_memory_is_not_stored(cards: dict[str, Card], tmp_path: Path) -> None:
    pool = CardPool.open(tmp_path)
    pool.add(cards["rome"])
    for name in ("rome", "Rome"):
        with pytest.raises(UsageError, match="already"):
            pool.add(Card.of(name, "Knows.", "embedded"))
    with pytest.raises(UsageError, match="in memory"):
        pool.add(Card.of("live", "Knows.", ScriptedModel(["x"])))
    assert len(CardPool.open(tmp_path)) == 1
    with pytest.raises(UsageError, match="there are rome"):
        pool["oslo"]


def test_a_damaged_card_is_told_and_can_be_removed(cards: dict[str, Card], tmp_path: Path) -> None:
    pool = CardPool.open(tmp_path)
    pool.add(cards["rome"])
    pool.add(cards["oslo"])
    with (tmp_path / "cards" / "rome" / WEIGHTS).open("ab") as file:
        file.write(b"x")
    again = CardPool.open(tmp_path)
    assert [card.name for card in again] == ["oslo"]
    with pytest.raises(UnknownModel, match=f"{WEIGHTS} isn't what its manifest says"):
        again["rome"]
    again.remove("rome")
    manifest = again.add(cards["rome"]).folder / "card.json"  # type: ignore[operator]
    told = manifest.read_text()
    manifest.write_text(told.replace('"digest": "sha256:', '"digest": "sha256:0'))
    assert "its digest" in CardPool.open(tmp_path).damaged["rome"]
    manifest.write_text(told)
    assert len(again) == 2
    assert again.damaged == {}


def test_a_card_in_a_folder_of_another_name_is_told(cards: dict[str, Card], tmp_path: Path) -> None:
    CardPool.open(tmp_path).add(cards["rome"])
    (tmp_path / "cards" / "rome").rename(tmp_path / "cards" / "moved")
    with pytest.raises(UnknownModel, match="it is called rome"):
        CardPool.open(tmp_path)["moved"]


def test_cards_of_one_name_in_two_pools_may_share_a_base(cards: dict[str, Card]) -> None:
    bases = SharedBases()
    named = [replace(cards["rome"], name="city"), replace(cards["oslo"], name="city")]
    said = [bases.write(card, [QUESTION], DRAW) for card in named]
    assert said == [SharedBases().write(card, [QUESTION], DRAW) for card in named]


def test_a_training_broken_off_among_the_cards_is_told(tmp_path: Path) -> None:
    (tmp_path / "cards" / "rome").mkdir(parents=True)
    (tmp_path / "cards" / "rome" / CARD).write_text("{}")
    with pytest.raises(UnknownModel, match="broken off"):
        CardPool.open(tmp_path)["rome"]


def test_a_card_of_other_weights_is_refused(base: Path, cards: dict[str, Card], tmp_path: Path) -> None:
    folder = tmp_path / "cards" / "rome"
    CardPool.open(tmp_path).add(cards["rome"])
    told = json.loads((folder / CARD).read_text())
    (folder / CARD).write_text(json.dumps({**told, "base_identity": "folder:other"}))
    with pytest.raises(UnknownModel, match="was trained on folder:other"):
        asked(CardPool.open(tmp_path))


def test_broken_manifests_are_named(tmp_path: Path) -> None:
    for text in ("", "{}", "[]", '{"format": 2}', '{"format": 1, "sha256": {}, "model": "m", "colour": "red"}'):
        (tmp_path / "card.json").write_text(text)
        with pytest.raises(UnknownModel, match="card"):
            Card.at(tmp_path)
