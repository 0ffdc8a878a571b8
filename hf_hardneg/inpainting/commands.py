"""`hf-hardneg inpaint ...`: each action's arguments and what it calls; everything heavy is imported when it runs."""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from .coco_folder import CocoPhoto
    from .editing import Editor

    Actions = argparse._SubParsersAction[argparse.ArgumentParser]


def add_actions(actions: "Actions") -> None:
    """Add the actions to `hf-hardneg inpaint`."""
    _add_build(actions)
    _add_review(actions)


def editor_maker(made_with: Mapping[str, Any]) -> "Callable[[Sequence[CocoPhoto]], Editor]":
    """What makes the editor that a run's `made_with` names, as `build` and the review take it."""
    from .classical import ClassicalEditor

    return ClassicalEditor


def _add_build(actions: "Actions") -> None:
    parser = actions.add_parser(
        "build",
        help="edit the photos of a COCO-format folder",
        description="Change one thing's color, size or kind in each photo, so that a caption turns false in one word. "
        "Leaves journal.jsonl, images/ and contact_sheet.png; killed and started again, it goes on.",
    )
    parser.add_argument(
        "--coco", required=True, metavar="DIR", help="with annotations/ (captions, instances) and photos"
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="the folder to write, or to go on with")
    parser.add_argument("--editor", choices=("classical",), default="classical", help="classical: OpenCV, no weights")
    parser.add_argument("--split", help="for instance val2017; may be left out where there is only one")
    parser.add_argument("--seed", type=int, default=0)
    parser.set_defaults(run=_run_build)


def _run_build(args: argparse.Namespace) -> None:
    from .build import build
    from .contact_sheet import write_contact_sheet
    from .items import format_summary

    made_with = {"editor": args.editor}
    make_editor = editor_maker(made_with)
    summary = build(args.coco, args.out, make_editor, split=args.split, seed=args.seed, made_with=made_with)
    sheet = Path(args.out) / "contact_sheet.png"
    drawn = write_contact_sheet(args.out, sheet, seed=args.seed)
    sys.stdout.write(format_summary(summary) + (f"\n{drawn} of them: {sheet}\n" if drawn else "\n"))


def _add_review(actions: "Actions") -> None:
    parser = actions.add_parser(
        "review",
        help="a local page on which people accept or reject the pairs, by keyboard",
        description="Every decision goes into the folder's journal.jsonl at once; several people may review together, "
        "and an item is with one of them at a time.",
    )
    parser.add_argument("folder", metavar="DIR", help="what build wrote")
    parser.add_argument("--reviews", type=int, default=1, help="by how many people each item is reviewed (default 1)")
    parser.add_argument("--host", default="127.0.0.1", help="default 127.0.0.1: this machine only")
    parser.add_argument("--port", type=int, default=7860)
    parser.add_argument("--password", help="asked for by the page, with any user name")
    parser.set_defaults(run=_run_review)


def _run_review(args: argparse.Namespace) -> None:
    from .review_app import review

    review(args.folder, editor_maker, needed=args.reviews, host=args.host, port=args.port, password=args.password)
