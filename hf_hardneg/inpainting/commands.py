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
    _add_export(actions)
    _add_validate(actions)


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


def _add_export(actions: "Actions") -> None:
    parser = actions.add_parser(
        "export",
        help="write the accepted pairs as a dataset folder",
        description="Write what reviewers accepted as a folder that load_dataset opens and that can be uploaded as it "
        "is: Parquet with InpaintCOCO's columns, card, contact sheet, counts.",
    )
    parser.add_argument("folder", metavar="DIR", help="where the pairs were built and reviewed")
    parser.add_argument("--out", required=True, metavar="DIR", help="new, empty, or an earlier export to replace")
    parser.add_argument(
        "--unreviewed", action="store_true", help="all pairs that passed the gates, although nobody looked at them"
    )
    parser.set_defaults(run=_run_export)


def _run_export(args: argparse.Namespace) -> None:
    from .export import export_pairs

    summary = export_pairs(args.folder, args.out, unreviewed=args.unreviewed)
    concepts = ", ".join(f"{name} {count}" for name, count in summary["by_concept"].items())
    looked = "" if summary["reviewed"] else " (nobody looked at them)"
    left_out = "".join(f"\n{count:>7}  left out: {reason}" for reason, count in summary["left_out"].items())
    sys.stdout.write(f"{summary['pairs']} pairs{looked}: {concepts}{left_out}\nSaved in {args.out}\n")


def _add_validate(actions: "Actions") -> None:
    parser = actions.add_parser(
        "validate",
        help="find what is wrong with a set of pairs, anybody's",
        description="Check every pair of a set with InpaintCOCO's columns: captions, mask, images, doubles, and count "
        "what is wrong by reason.",
    )
    parser.add_argument("source", metavar="PATH_OR_ID", help="Hub id or folder, for instance phiyodr/InpaintCOCO")
    parser.add_argument("--split", default="test", help="default test")
    parser.add_argument("--out", metavar="DIR", help="write the pairs without a fault there, as a dataset folder")
    parser.add_argument("--json", metavar="FILE", help="also write counts, and reasons and figures of each row")
    parser.set_defaults(run=_run_validate)


def _run_validate(args: argparse.Namespace) -> None:
    from .reader import open_pairs
    from .validation_report import format_report, save_clean, validate_set, write_report

    report = validate_set(args.source, args.split)
    sys.stdout.write(format_report(report) + "\n")
    if args.json:
        write_report(report, args.json)
    if args.out:
        save_clean(open_pairs(args.source, args.split), report, args.out)
        sys.stdout.write(f"Saved in {args.out}\n")
