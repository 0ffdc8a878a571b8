"""The documentation site builds without a warning, has no dead link, and loads nothing from another host."""

import argparse
import ast
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from hf_hardneg import columns
from hf_hardneg.cli import GROUPS
from hf_hardneg.training.argument_parser import HELP_GROUPS


ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "hf_hardneg"


class Page(HTMLParser):
    """The ids of a page, what it links to, and what a browser loads for it."""

    def __init__(self, file):
        super().__init__()
        self.ids, self.links, self.loaded = set(), [], []
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.ids |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        if tag in ("img", "script", "iframe", "source") and "src" in found:
            self.loaded.append(found["src"])
        if tag == "link" and found.get("rel") in ("stylesheet", "preload", "preconnect", "icon"):
            self.loaded.append(found["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert done.returncode == 0 and "WARNING" not in done.stderr, done.stdout + done.stderr
    return {file: Page(file) for file in folder.rglob("*.html")}


def test_no_link_and_no_anchor_is_dead(site):
    checked, dead = 0, []
    for file, page in site.items():
        if file.name == "404.html":
            continue
        for link in [*page.links, *page.loaded]:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = file.parent / unquote(parts.path) if parts.path else file
            target = (target / "index.html" if target.is_dir() else target).resolve()
            if not target.exists() or (parts.fragment and unquote(parts.fragment) not in site[target].ids):
                dead.append((file.parent.name, link))
            checked += 1
    assert not dead and checked > 300


def test_pages_load_nothing_from_another_host(site):
    for file, page in site.items():
        assert [source for source in page.loaded if urlsplit(source).netloc] == [], file
    # A repository's address would make the theme ask GitHub's API for stars, on every page.
    assert "repo_url" not in (ROOT / "mkdocs.yml").read_text()


@pytest.mark.parametrize("name", ["miniature", "photos"])
def test_the_figures_of_the_site_are_those_of_the_benchmarks(name):
    assert (ROOT / f"docs/{name}.png").read_bytes() == (ROOT / f"benchmarks/{name}/results.png").read_bytes()


def texts_of_the_package():
    """What the package can say; a value that is put in while it runs is a 0, like any number."""
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = [part.value if isinstance(part, ast.Constant) else "0" for part in node.values]
                yield re.sub(r"\d+", "0", "".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield re.sub(r"\d+", "0", node.value)


def test_messages_in_the_troubleshooting_are_those_of_the_package():
    text = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    quoted = [re.sub(r"\s+", " ", words) for words in re.findall(r'"([^"]+)"', text)]
    known = "\n".join(texts_of_the_package())
    # A name that the user gave stands at the beginning of one message.
    values = [re.sub(r"'[^' ]+'|\d+", "0", words) for words in quoted]
    wanted = [words.replace("val0 of data/coco is", "0 of 0 is") for words in values]
    assert len(wanted) > 15 and [words for words in wanted if words not in known] == []


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 844)], ids=["desktop", "phone"])
def test_every_page_fits_the_screen_and_asks_no_other_host(site, browser, width, height):
    page = browser.new_page(viewport={"width": width, "height": height})
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    for file in site:
        page.goto(file.as_uri(), wait_until="load")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, file
        assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)"), file
    page.close()
    assert len(asked) > len(site) and {urlsplit(url).scheme for url in asked} <= {"file", "data", "blob"}


def test_the_reference_names_every_column():
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    names = [name for name in vars(columns) if name.isupper()]
    assert len(names) > 20 and [name for name in names if f"`{name}`" not in text] == []
    values = {value for name, value in vars(columns).items() if name.isupper() and isinstance(value, str)}
    assert [value for value in values if f"`{value}`" not in text] == []


def public_names():
    """Where each public name is defined, from the stubs of the rooms."""
    homes = {}
    for stub in PACKAGE.rglob("__init__.pyi"):
        for node in ast.parse(stub.read_text()).body:
            if isinstance(node, ast.ImportFrom):
                for name in node.names:
                    homes.setdefault(name.asname, set()).add((stub.parent, node.module))
    return homes


def test_the_reference_has_every_public_name_and_shows_it(site):
    [page] = [page for file, page in site.items() if file.parent.name == "reference"]
    shown = {anchor.rsplit(".", 1)[1] for anchor in page.ids if anchor.startswith("hf_hardneg.")}
    wanted = set(public_names()) | {"with_negatives", "with_positives", "metric_folder"}
    assert len(wanted) > 80 and wanted - shown == set()
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    rooms = {".".join(stub.parent.relative_to(ROOT).parts) for stub in PACKAGE.rglob("__init__.pyi")} - {"hf_hardneg"}
    assert set(re.findall(r"^<!-- names of (\S+) -->$", text, re.M)) == rooms


def test_the_page_of_commands_has_every_flag_of_every_command(site):
    [file] = [file for file in site if file.parent.name == "commands"]
    text = re.sub(r"<[^>]+>", " ", file.read_text(encoding="utf-8"))
    flags = {f"--{name}" for names in HELP_GROUPS.values() for name in names}
    for commands in GROUPS.values():
        for command in commands.values():
            parser = argparse.ArgumentParser(add_help=False)
            command.add_arguments(parser)
            assert all(action.help for action in parser._actions), command.__name__
            flags |= {flag for action in parser._actions for flag in action.option_strings}
    assert len(flags) > 60 and [flag for flag in flags if not re.search(rf"(?<!\S){flag}(?!\S)", text)] == []
