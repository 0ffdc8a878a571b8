"""Serve the review page with Gradio. The page is templates/review.*, its keys are templates/review_keys.js."""

import hashlib
import ipaddress
import os
import secrets
import sys
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

from ..journal import IMAGES, JOURNAL, Journal
from .desk import Answer, Desk


try:
    import gradio
except ImportError as error:
    raise ImportError("The review page needs Gradio: pip install 'hf-hardneg[review]'") from error

TEMPLATES = Path(__file__).parent / "templates"


def build_review_page(desk: Desk, name: str) -> gradio.Blocks:
    """Build the page.

    It is one `gradio.HTML` with a script of our own. Gradio's components would need a round trip for each flicker,
    would redraw between items, and have no keyboard shortcuts. Gradio still serves the page, checks the password and
    calls the desk.

    Args:
        desk: Answers the page.
        name: Identifies the set. Browsers keep drafts under this name.
    """
    functions = [_as_function(one) for one in (desk.begin, desk.decide, desk.take_back, desk.try_again)]
    html, keys, script = (
        (TEMPLATES / file).read_text(encoding="utf-8") for file in ("review.html", "review_keys.js", "review.js")
    )
    with gradio.Blocks(title="Review", analytics_enabled=False, fill_width=True) as blocks:
        gradio.HTML(
            name,
            html_template=html,
            js_on_load=f"{keys}\n{script}",
            apply_default_css=False,
            server_functions=functions,
        )
    return blocks


def serve_review(
    folder: str | Path,
    *,
    needed: int = 1,
    host: str = "127.0.0.1",
    port: int = 7860,
    password: str | None = None,
) -> None:
    """Serve the review page of a build until it is interrupted.

    Args:
        folder: The `--out` of `hf-hardneg inpaint build`.
        needed: How many workers review each item.
        host: Address to listen on. The default is reachable only from this machine.
        port: Port to listen on.
        password: Asked for by the page. Required if other machines can reach the page.

    Raises:
        FileNotFoundError: If there is no journal.
        ValueError: If another process has the journal open, no pair can be reviewed, or a password is missing.
        OSError: If the port is taken.

    Example:
        >>> serve_review("pairs", needed=2, port=7861)  # doctest: +SKIP
        Reviewing pairs at http://127.0.0.1:7861/ (Ctrl+C ends; every decision is saved at once)
    """
    if not (Path(folder) / JOURNAL).is_file():
        raise FileNotFoundError(f"{folder} has no {JOURNAL}; give the --out of hf-hardneg inpaint build.")
    if not password and not _is_loopback(host):
        raise ValueError(f"Others can reach {host}: add --password, or leave out --host.")
    # Gradio checks its own address, and a proxy must not answer that request.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = f"{os.environ.get('NO_PROXY', '')},127.0.0.1,localhost"
    with Journal(folder) as journal:
        name = hashlib.sha256(str(journal.folder.resolve()).encode()).hexdigest()[:12]
        blocks = build_review_page(Desk(journal, needed=needed), name)
        style = (TEMPLATES / "review.css").read_text(encoding="utf-8")
        sys.stderr.write(
            f"Reviewing {folder} at http://{host}:{port}/ (Ctrl+C ends; every decision is saved at once)\n"
        )
        blocks.launch(
            server_name=host,
            server_port=port,
            share=False,
            auth=_password_check(password) if password else None,
            auth_message="Any user name; the password is the one that the review was started with.",
            allowed_paths=[str(journal.folder.resolve() / IMAGES)],
            theme=gradio.themes.Base(font="system-ui", font_mono="monospace"),  # needs no fonts from the internet
            head=f"<style>{style}</style>",
            footer_links=[],
            run_history=False,
            ssr_mode=False,
            mcp_server=False,
            quiet=True,
        )


def _as_function(method: Callable[[Mapping[str, Any]], Answer]) -> Callable[[Mapping[str, Any]], Answer]:
    """Wrap a method, because Gradio marks the functions that a page may call, and a method cannot be marked."""
    return wraps(method)(lambda data: method(data))


def _password_check(password: str) -> Callable[[str, str], bool]:
    return lambda _, given: secrets.compare_digest(given.encode(), password.encode())


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
