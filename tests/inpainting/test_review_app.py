import re
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import pytest
from helpers.review_folder import CAPTION, Server, candidates_of, make_review_folder, read_reviews

from hf_hardneg.cli import main
from hf_hardneg.inpainting.edit.classical import NOT_A_WORD
from hf_hardneg.inpainting.journal import read_journal


pytest.importorskip("gradio", reason="the review page needs gradio: pip install 'hf-hardneg[review]'")
READY, SHOWS_NEXT = '#review[data-state="ready"]', '#review[data-state="ready"]:not([data-key="{}"])'


@pytest.fixture
def serve(tmp_path):
    with ExitStack() as stack:

        def start(count):
            out = make_review_folder(tmp_path, count)
            return out, stack.enter_context(Server(out))

        yield start


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    out = make_review_folder(tmp_path_factory.mktemp("guarded"), 1)
    with Server(out, "--password", "open sesame") as server:
        yield out, server


class Person:
    """One reviewer at a browser of his own."""

    def __init__(self, browser, url, name, size=(1280, 800), password=None):
        self.context = browser.new_context(viewport=dict(zip(("width", "height"), size, strict=True)))
        self.page = self.context.new_page()
        self.page.set_default_timeout(20_000)
        self.asked = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(url)
        if password:
            self.login(password)
        self.page.wait_for_selector('#review[data-state="name"]')
        self.type(name, "Enter")
        self.wait(READY)

    def login(self, password):
        self.page.fill("input[type=password]", password)
        self.page.fill("input >> nth=0", "anybody")
        self.press("Enter")

    def wait(self, selector):
        self.page.wait_for_selector(selector)

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    def type(self, text, *keys):
        self.page.keyboard.type(text)
        self.press(*keys)

    def says(self, part):
        self.page.wait_for_function(
            "part => document.querySelector('#r-message').textContent.includes(part)", arg=part
        )

    def text(self, name):
        return self.page.text_content(f"#r-{name}").strip()

    def hide(self, is_hidden):
        """As if another tab came to the front."""
        code = "hidden => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true }); }"
        self.page.evaluate(code, is_hidden)
        self.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")

    @property
    def key(self):
        return self.page.get_attribute("#review", "data-key")

    def decide(self, *keys):
        key = self.key
        self.press(*keys)
        self.page.wait_for_selector(f'{SHOWS_NEXT.format(key)}, #review[data-state="end"]')
        return key


def test_a_session_by_keyboard(browser, serve):
    out, server = serve(6)
    ann = Person(browser, server.url, "Ann")
    assert ann.text("progress") == "0 of 6 done, 0 by you"
    ann.hide(True)
    ann.page.wait_for_timeout(1500)
    ann.hide(False)
    first = ann.decide("4", "a")
    (seconds,) = [line["seconds"] for line in read_journal(out) if line["kind"] == "review"]
    assert 0 < seconds < 1.4  # not what passed while the tab was hidden
    second = ann.decide("r")
    assert [one[:3] + one[4:] for one in read_reviews(out)] == sorted(
        [(first, "accept", 0, 4, "Ann"), (second, "reject", None, None, "Ann")]
    )

    # Keys are text while typing; Esc leaves the box; the empty and the old caption are refused.
    third = ann.key
    ann.press("e", "ControlOrMeta+a")
    ann.type("a rare purple <b>car</b>", "Escape")
    assert ann.key == third and ann.text("caption") == "a rare purple <b>car</b>"
    assert [mark.text_content() for mark in ann.page.query_selector_all("#r-original mark")] == [
        "A red car <img src=x onerror=window.hacked=1> on", "road."
    ]  # fmt: skip
    ann.press("e", "ControlOrMeta+a", "Delete", "Escape", "a")
    ann.says("The new caption is empty")
    ann.wait(READY)
    ann.press("e")
    ann.type(CAPTION, "Enter", "a")
    ann.says("The new caption is the original's")
    ann.wait(READY)
    ann.press("e", "ControlOrMeta+a")
    ann.type("A teal car <script>1</script>", "Escape")
    assert ann.decide("5", "5", "2", "a") == third
    assert (third, "accept", 0, "A teal car <script>1</script>", 2, "Ann") in read_reviews(out)

    # Undo brings the item back as it was left; decided anew, it is one decision.
    ann.decide("u")
    assert ann.key == third and ann.text("caption") == "A teal car <script>1</script>"
    assert len(read_reviews(out)) == 2
    assert ann.decide("r") == third and len(read_reviews(out)) == 3

    # Try again: a refusal says why; another word gives a candidate beside the first, which is chosen and accepted.
    fourth = ann.key
    ann.press("t")
    ann.type("shiny <i>", "Enter")
    ann.says(f"Not made: {NOT_A_WORD}.")
    ann.press("ControlOrMeta+a")
    ann.type("purple", "Enter")
    ann.says("Here is another candidate.")
    ann.wait(READY)
    assert ann.page.locator(".pane").count() == 3 and " purple car " in ann.text("caption")
    ann.press("ArrowLeft")
    assert " purple " not in ann.text("caption")
    ann.press("ArrowRight")
    assert ann.decide("a") == fourth
    (place,) = [one[2] for one in read_reviews(out) if one[0] == fourth]
    assert candidates_of(out)[fourth][place].proposal.new == "purple"

    # Looking: flicker, mask and zoom act on the photos and decide nothing; nothing jumps, nothing scrolls.
    pane = ann.page.locator(".pane[data-candidate] .edit")
    places = "[...document.querySelectorAll('button, .pane')].map(one => JSON.stringify(one.getBoundingClientRect()))"
    before = ann.page.evaluate(places)
    ann.page.keyboard.down(" ")
    assert not pane.is_visible()
    ann.page.keyboard.up(" ")
    assert pane.is_visible()
    ann.press("f", "m", "z")
    ann.page.wait_for_selector(".pane[data-candidate] .edit", state="hidden")
    ann.page.wait_for_selector(".pane[data-candidate] .edit", state="visible")
    assert "scale(1)" not in ann.page.get_attribute(".stage", "style")
    ann.press("f", "m", "z")
    assert ann.page.evaluate(places) == before
    assert ann.page.evaluate("document.documentElement.scrollHeight") == 800
    ann.decide("a")
    ann.decide("a")
    assert "You reviewed 6 and accepted 4" in ann.text("end")
    assert ann.page.evaluate("window.hacked") is None
    assert all(url.startswith((server.url, "data:", "blob:")) for url in ann.asked)
    ann.context.close()


def test_reload_and_kill_in_mid_item_lose_nothing(browser, serve):
    out, server = serve(4)
    ann = Person(browser, server.url, "Ann")
    ann.decide("a")
    key = ann.key
    ann.press("3", "e", "ControlOrMeta+a")
    ann.type("A mended caption.", "Escape")
    ann.page.reload()
    ann.wait(READY)
    assert (ann.key, ann.text("worker"), ann.text("caption")) == (key, "Ann", "A mended caption.")

    server.kill()
    ann.press("a")
    ann.says("The server does not answer. Your last action is kept")
    assert ann.key == key and len(read_reviews(out)) == 1
    server.start()
    ann.wait(SHOWS_NEXT.format(key))
    assert (key, "accept", 0, "A mended caption.", 3, "Ann") in read_reviews(out)

    # Killed, decided, and the tab closed before the server is back: the decision is sent when the page is opened.
    third = ann.key
    server.kill()
    ann.press("r")
    ann.says("The server does not answer")
    ann.page.close()
    server.start()
    ann.page = ann.context.new_page()
    ann.page.goto(server.url)
    ann.wait(SHOWS_NEXT.format(third))
    ann.says("Your earlier decision was sent.")
    assert len(read_reviews(out)) == 3
    ann.decide("a")
    assert ann.text("progress") == "4 of 4 done, 4 by you" and len(read_reviews(out)) == 4
    ann.context.close()


def test_two_sessions_review_forty_items_together(browser, serve):
    out, server = serve(40)
    ann, bea = Person(browser, server.url, "Ann"), Person(browser, server.url, "Bea")
    shown = []
    while "end" not in (
        ann.page.get_attribute("#review", "data-state"),
        bea.page.get_attribute("#review", "data-state"),
    ):
        assert ann.key != bea.key
        keys = [ann.key, bea.key]
        ann.press("a")
        bea.press("r", "r")  # a double press is one decision
        for person, key in zip((ann, bea), keys, strict=True):
            person.wait(f'{SHOWS_NEXT.format(key)}, #review[data-state="end"]')
        shown += keys
    reviews = read_reviews(out)
    assert len(reviews) == len({one[0] for one in reviews}) == 40 and sorted(shown) == [one[0] for one in reviews]
    assert sorted(one[-1] for one in reviews) == ["Ann"] * 20 + ["Bea"] * 20
    assert "All reviewed" in ann.text("end") + bea.text("end")
    ann.context.close()
    bea.context.close()


def test_a_password_guards_page_photos_and_calls(browser, guarded):
    out, server = guarded
    (made,) = next(iter(candidates_of(out).values()))
    for path in ("config", f"gradio_api/file={out.resolve()}/images/{made.image}.png"):
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(server.url + path)
    server._page_id = 1
    with pytest.raises(urllib.error.HTTPError, match="401"):
        server.call("begin", worker="Eve")
    ann = Person(browser, server.url, "Ann", password="open sesame")
    server.kill()  # with it the server forgets who was logged in
    ann.press("a")
    ann.says("The server does not answer")
    server.start()
    ann.login("open sesame")
    ann.wait('#review[data-state="end"]')
    assert len(read_reviews(out)) == 1
    ann.context.close()


def test_only_this_machine_is_listened_to(guarded, tmp_path):
    out, server = guarded
    connections = [line.split() for file in ("tcp", "tcp6") for line in Path("/proc/net", file).open()]
    addresses = {one[1] for one in connections if one[1].endswith(f":{server.port:04X}") and one[3] == "0A"}
    assert addresses == {f"0100007F:{server.port:04X}"}  # 127.0.0.1, in the kernel's order of bytes
    with pytest.raises(SystemExit, match=r"error: Others can reach 0.0.0.0: add --password"):
        main(["inpaint", "review", str(out), "--host", "0.0.0.0"])
    with pytest.raises(SystemExit, match=r"error: Another process is writing"):
        main(["inpaint", "review", str(out)])
    with pytest.raises(SystemExit, match=r"error: .*nowhere has no journal.jsonl; give the --out of"):
        main(["inpaint", "review", str(tmp_path / "nowhere")])
    assert not (tmp_path / "nowhere").exists()


def test_every_key_has_an_action_and_every_button_names_a_key():
    """The table of keys in review_keys.js, the actions in review.js and the buttons in review.html agree."""
    from hf_hardneg.inpainting.review.app import TEMPLATES

    keys, script, html = ((TEMPLATES / name).read_text() for name in ("review_keys.js", "review.js", "review.html"))
    table = {key.strip('"'): action for key, action in re.findall(r'^  ("."|\w+): "(\w+)",', keys, re.MULTILINE)}
    actions = script[script.index("const ACTIONS") : script.index("function keyOf")]
    assert {"a", "r", "u", "e", "t", "f", "m", "z", " ", "arrowleft", "arrowright", *"012345"} == set(table)
    assert all(re.search(rf"\b{re.sub('[1-5]$', '', action)}\b", actions) for action in table.values())
    shown = set(re.findall(r"<kbd>(\w+)</kbd>", html)) - {"Esc", "Space"}
    assert {key.lower() for key in shown} <= set(table) and len(shown) > 10
