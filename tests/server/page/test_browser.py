"""What a person does on the page, in a real browser."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect
from tests.server.page.conftest import Visit, filled, running_site
from tests.server.reader import QUESTION, SENTENCE

from pansophy.server.guard import COOKIE
from pansophy.server.keys import new_key

HOUSES = {
    f"house-{n:02}.txt": f"House {n}: lamp {n} hangs in the hall, and a clock stands beside it. Old roses grow outside."
    for n in range(12)
}
SLOW = "Answer slowly: which door has house 99, {}?"
HOSTILE = (
    "House 2: lamp 2 hangs in the hall <script>window.pwned = 1</script><img src=x onerror='window.pwned = 2'>, and a "
    "clock stands beside it."
)
PAGES = ("/", "/corpora", "/corpora/{}", "/questions", "/models", "/read/{}?document=house-02.txt&start=0&end=20#span")


def ask(page: Page, question: str, corpus: str) -> str:
    """Ask on the page; gives the question's address."""
    page.goto(f"/?corpus={corpus}")
    page.get_by_label("Question").fill(question)
    page.get_by_role("button", name="Ask").click()
    page.wait_for_url("**/q/*")
    return page.url


def test_a_newcomer_uploads_asks_and_reads_where_it_stands(visit: Visit, tmp_path: Path) -> None:
    page = visit.page
    for name, text in HOUSES.items():
        (tmp_path / name).write_text(text)
    page.goto("/corpora")
    page.get_by_label("Name of a new corpus").fill("newcomer")
    page.get_by_role("button", name="Make it").click()
    page.wait_for_url("**/corpora/newcomer")
    page.locator("input[type=file]").set_input_files(sorted(tmp_path.glob("*.txt")))
    expect(page.get_by_text("12 files were added.")).to_be_visible()
    page.get_by_role("button", name="Show them").click()
    page.get_by_role("link", name="Ask it").click()
    page.get_by_label("Question").fill(QUESTION)
    page.get_by_role("button", name="Ask").click()
    expect(page.locator(".answer")).to_contain_text("lamp 2")
    expect(page.locator(".cell.found").first).to_be_visible()
    expect(page.get_by_role("status")).to_contain_text("finished")
    page.locator(".sources a").first.click()
    expect(page.locator("mark")).to_have_text(SENTENCE)
    expect(page.locator("mark")).to_be_in_viewport()
    expect(page.locator(".document")).to_have_text(HOUSES["house-02.txt"])


def test_a_file_that_cannot_be_read_is_named_with_the_reason_and_the_others_are_added(
    visit: Visit, site: str, tmp_path: Path
) -> None:
    filled(site, "mixed", {"first.txt": "The first."})
    (tmp_path / "good.txt").write_text("All is well.")
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.4 broken")
    visit.page.goto("/corpora/mixed")
    visit.page.locator("input[type=file]").set_input_files([tmp_path / "good.txt", tmp_path / "broken.pdf"])
    expect(visit.page.get_by_role("alert")).to_contain_text("broken.pdf")
    expect(visit.page.get_by_text("1 files were added")).to_be_visible()


def test_a_question_is_stopped_and_goes_on(visit: Visit, site: str) -> None:
    filled(site, "stopped", HOUSES)
    ask(visit.page, SLOW.format("stopped"), "stopped")
    expect(visit.page.locator(".cell.empty, .cell.found").first).to_be_visible()
    visit.page.get_by_role("button", name="Stop").click()
    expect(visit.page.get_by_role("status")).to_contain_text("cancelled")
    expect(visit.page.get_by_role("button", name="Stop")).to_be_hidden()
    read = visit.page.locator(".cell.empty, .cell.found").count()
    assert 0 < read < len(HOUSES)
    visit.page.get_by_role("button", name="Go on").click()
    expect(visit.page.get_by_role("button", name="Stop")).to_be_visible()
    expect(visit.page.get_by_role("status")).to_contain_text("running")


def test_a_reload_in_the_middle_shows_what_was_read_and_goes_on(visit: Visit, site: str) -> None:
    filled(site, "reloaded", HOUSES)
    cells = visit.page.locator(".cell.empty, .cell.found")
    ask(visit.page, SLOW.format("reloaded"), "reloaded")
    expect(cells.nth(1)).to_be_visible()
    before = cells.count()
    visit.page.reload()
    expect(cells.nth(before - 1)).to_be_visible()
    expect(cells.nth(before + 1)).to_be_visible()
    expect(visit.page.get_by_role("status")).to_contain_text("running")
    visit.page.get_by_role("button", name="Stop").click()


def test_a_question_is_watched_from_another_browser_and_its_first_event_is_there_at_once(
    visit: Visit, site: str
) -> None:
    filled(site, "watched", HOUSES)
    with httpx.Client(base_url=site) as client:
        job = client.post("/api/v1/questions", json={"corpus": "watched", "question": SLOW.format("watched")}).json()[
            "id"
        ]
        visit.page.goto(f"/q/{job}")
        expect(visit.page.get_by_role("status")).to_contain_text("running")
        expect(visit.page.locator("section", has_text="What was read")).to_be_visible()
        client.post(f"/api/v1/questions/{job}/cancel")
    expect(visit.page.get_by_role("status")).to_contain_text("cancelled")


def test_what_a_document_says_is_text_wherever_it_is_shown(visit: Visit, site: str) -> None:
    filled(site, "hostile", {"<img src=x onerror='window.pwned = 3'>.txt": HOSTILE})
    page = visit.page
    ask(page, QUESTION, "hostile")
    expect(page.locator(".sources")).to_contain_text("<script>window.pwned = 1</script>")
    page.locator(".sources a").first.click()
    expect(page.locator(".document")).to_have_text(HOSTILE)
    for address in ("/corpora/hostile", "/questions"):
        page.goto(address)
        expect(page.locator(".page-body")).to_contain_text("img src=x" if "corpora" in address else QUESTION)
    assert page.evaluate("window.pwned") is None


def test_two_questions_are_compared_side_by_side(visit: Visit, site: str) -> None:
    filled(site, "compared", HOUSES)
    page = visit.page
    with httpx.Client(base_url=site) as client:
        for strategy in ("extagents", "top_k"):
            asked = {"corpus": "compared", "question": QUESTION, "strategy": strategy}
            job = client.post("/api/v1/questions", json=asked).json()["id"]
            page.goto(f"/q/{job}")
            expect(page.get_by_role("status")).to_contain_text("finished")
    page.goto("/questions")
    page.get_by_role("button", name="Compare two").click()
    expect(page.get_by_text("Mark two questions to compare them.")).to_be_visible()
    page.get_by_role("checkbox").nth(0).click()
    page.get_by_role("checkbox").nth(1).click()
    page.get_by_role("button", name="Compare two").click()
    expect(page.locator(".beside section")).to_have_count(2)
    expect(page.locator(".beside")).to_contain_text("strategy: extagents")
    expect(page.locator(".beside")).to_contain_text("strategy: top_k")


def test_an_answer_from_the_store_tells_how_it_was_found(visit: Visit, site: str) -> None:
    filled(site, "stored", HOUSES)
    for _ in range(2):
        ask(visit.page, "Which lamp hangs in the hall of house 2 of the store?", "stored")
        expect(visit.page.locator(".cell.found").first).to_be_visible()
    expect(visit.page.get_by_role("status")).to_contain_text("answered before")


def test_a_corpus_is_deleted_only_when_it_is_confirmed(visit: Visit, site: str) -> None:
    filled(site, "doomed", {"a.txt": "Text."})
    page = visit.page
    page.goto("/corpora/doomed")
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Keep it").click()
    page.goto("/corpora")
    expect(page.get_by_role("link", name="doomed")).to_be_visible()
    page.get_by_role("link", name="doomed").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Delete it").click()
    page.wait_for_url("**/corpora")
    expect(page.get_by_role("link", name="doomed")).to_have_count(0)


def test_a_model_is_tested(visit: Visit) -> None:
    visit.page.goto("/models")
    visit.page.get_by_role("button", name="Test").first.click()
    expect(visit.page.get_by_role("status").first).to_contain_text("tokens a second")


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("/q/nowhere", "there is no job 'nowhere'"),
        ("/corpora/nowhere", "nowhere"),
        ("/read/nowhere?document=a", "nowhere"),
        ("/compare?a=x&b=y", "there is no job 'x'"),
    ],
)
def test_what_is_not_there_is_said(visit: Visit, address: str, words: str) -> None:
    visit.page.goto(address)
    expect(visit.page.get_by_role("alert")).to_contain_text(words)


def test_an_empty_question_and_a_bad_name_are_explained(visit: Visit, site: str) -> None:
    filled(site, "explained", {"a.txt": "Text."})
    visit.page.goto("/?corpus=explained")
    visit.page.get_by_role("button", name="Ask").click()
    expect(visit.page.get_by_text("Write a question first.")).to_be_visible()
    visit.page.goto("/corpora")
    visit.page.get_by_label("Name of a new corpus").fill("../etc")
    visit.page.get_by_role("button", name="Make it").click()
    expect(visit.page.get_by_text("A name is letters")).to_be_visible()


def test_everything_is_done_by_keyboard(visit: Visit, site: str) -> None:
    filled(site, "keyboard", HOUSES)
    page = visit.page
    page.goto("/?corpus=keyboard")
    expect(page.get_by_label("Question")).to_be_focused()
    page.keyboard.type(QUESTION)
    page.keyboard.press("Control+Enter")
    expect(page.locator(".answer")).to_contain_text("lamp 2")
    page.locator(".mark").first.focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("mark")).to_have_text(SENTENCE)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_every_page_without_scrolling_sideways(browser: Browser, site: str, scheme: str) -> None:
    corpus = f"phone-{scheme}"
    filled(site, corpus, HOUSES)
    phone = Visit(browser, site, viewport={"width": 360, "height": 740}, color_scheme=scheme)
    asked = ask(phone.page, QUESTION, corpus)
    expect(phone.page.locator(".answer")).to_contain_text("lamp 2")
    for address in (asked, *(page.format(corpus) for page in PAGES)):
        phone.page.goto(address)
        expect(phone.page.locator(".page-body")).to_be_visible()
        assert phone.page.evaluate("document.documentElement.scrollWidth") <= 360, address
    assert phone.page.evaluate("document.body.classList.contains('body--dark')") == (scheme == "dark")
    phone.close()


def test_with_keys_a_browser_shows_its_key_once_and_sees_what_it_is_for(browser: Browser, tmp_path: Path) -> None:
    key_file = tmp_path / "keys.txt"
    key = new_key(key_file, "anna", corpora=["houses"])
    master = new_key(key_file, "ben")
    with running_site(tmp_path / "home", str(key_file)) as site:
        bearer = {"Authorization": f"Bearer {master}"}
        for corpus in ("houses", "secret"):
            filled(site, corpus, HOUSES, headers=bearer)
        visit = Visit(browser, site)
        page = visit.page
        page.goto("/questions")
        page.wait_for_url("**/login")
        page.get_by_label("Your key").fill("wrong")
        page.get_by_role("button", name="Go in").click()
        expect(page.get_by_role("alert")).to_have_text("There is no such key.")
        page.get_by_label("Your key").fill(key)
        page.get_by_role("button", name="Go in").click()
        page.wait_for_url(f"{site}/")
        page.goto("/corpora")
        expect(page.get_by_role("link", name="houses")).to_be_visible()
        expect(page.get_by_role("link", name="secret")).to_have_count(0)
        ask(page, QUESTION, "houses")
        expect(page.locator(".answer")).to_contain_text("lamp 2")
        page.goto("/read/secret?document=house-02.txt")
        expect(page.get_by_role("alert")).to_contain_text("not for the corpus 'secret'")
        (cookie,) = [one for one in visit.context.cookies() if one["name"] == COOKIE]
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        visit.close()
        with httpx.Client(base_url=site, cookies={COOKIE: key}) as client:
            assert client.get("/api/v1/corpora").status_code == 200
            elsewhere = {"Origin": "http://evil.example"}
            assert client.post("/api/v1/corpora", json={"name": "houses"}, headers=elsewhere).status_code == 403
