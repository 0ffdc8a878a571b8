"""`hf-hardneg inpaint ...`: each action's arguments and what it calls; everything heavy is imported when it runs."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .parts import EDITOR_FLAGS
from .pretrained import CLIP, CLIPSEG, GROUNDING_DINO, INPAINTING, SAM


if TYPE_CHECKING:
    Actions = argparse._SubParsersAction[argparse.ArgumentParser]

MASK_MODELS = {"clipseg": [CLIPSEG], "grounded_sam": [GROUNDING_DINO, SAM]}


def add_actions(actions: "Actions") -> None:
    """Add the actions to `hf-hardneg inpaint`."""
    _add_build(actions)
    _add_review(actions)
    _add_export(actions)
    _add_validate(actions)


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
    parser.add_argument("--split", help="for instance val2017; may be left out where there is only one")
    parser.add_argument("--seed", type=int, default=0)
    _add_editor(parser)
    masks = parser.add_argument_group("masks")
    masks.add_argument(
        "--masks",
        choices=("instances", *MASK_MODELS),
        default="instances",
        help="instances: as annotated; the others draw what captions name, without annotations (default instances)",
    )
    masks.add_argument(
        "--mask_model",
        nargs="+",
        metavar="ID",
        help=f"Hub id or folder; clipseg takes one ({CLIPSEG}), grounded_sam two ({GROUNDING_DINO} {SAM})",
    )
    masks.add_argument("--mask_threshold", type=float, help="least probability of a pixel, or score of a box, 0 to 1")
    gate = parser.add_argument_group("gate")
    gate.add_argument("--clip", metavar="ID", help=f"a dual encoder such as {CLIP}: turn down what it sees no gain in")
    gate.add_argument(
        "--clip_prefers_new", action="store_true", help="turn down, too, what it still finds nearer to the old caption"
    )
    parser.set_defaults(run=_run_build)


def _add_editor(parser: argparse.ArgumentParser) -> None:
    editor = parser.add_argument_group("editor")
    editor.add_argument(
        "--editor",
        choices=("classical", "diffusers"),
        default="classical",
        help="classical: OpenCV, no weights; diffusers: an inpainting pipeline (default classical)",
    )
    editor.add_argument(
        "--editor_model",
        metavar="ID",
        help=f"diffusers: Hub id or folder of an inpainting pipeline (default {INPAINTING}, a mirror of the paper's "
        "Stable Diffusion 2, which stabilityai took off the Hub)",
    )
    editor.add_argument("--candidates", type=int, help="diffusers: pictures per proposal (default 3)")
    editor.add_argument("--steps", type=int, help="diffusers: denoising steps (default the pipeline's own)")
    editor.add_argument("--guidance", type=float, help="diffusers: hold of the prompt (default the pipeline's own)")
    editor.add_argument(
        "--strength", type=float, help="diffusers: noise on what is there, up to 1 (default the pipeline's own)"
    )


def describe_run(args: argparse.Namespace) -> dict[str, Any]:
    """The `made_with` of a run: editor, models and their settings, as far as they are not the plain ones.

    Raises:
        ValueError: If an argument is given that the chosen editor, masks or gate do not take.
    """
    made_with: dict[str, Any] = {"editor": args.editor}
    given = {name: getattr(args, name) for name in EDITOR_FLAGS if getattr(args, name) is not None}
    if args.editor == "diffusers":
        made_with |= {"editor_model": INPAINTING, "candidates": 3} | given
        made_with["editor_model"] = _resolve(made_with["editor_model"])
    elif given:
        raise ValueError(f"--{next(iter(given))} is for --editor diffusers; leave it out, or choose that editor.")
    if args.masks != "instances":
        models = args.mask_model or MASK_MODELS[args.masks]
        if len(models) != len(MASK_MODELS[args.masks]):
            wanted = " ".join(MASK_MODELS[args.masks])
            raise ValueError(f"--masks {args.masks} takes {wanted} or the like for --mask_model, got {models}.")
        made_with |= {"masks": args.masks, "mask_model": [_resolve(model) for model in models]}
        if args.mask_threshold is not None:
            made_with["mask_threshold"] = args.mask_threshold
    elif args.mask_model or args.mask_threshold is not None:
        raise ValueError("--mask_model and --mask_threshold are for --masks clipseg or grounded_sam; choose one.")
    if args.clip:
        made_with |= {"clip": _resolve(args.clip), "clip_prefers_new": args.clip_prefers_new}
    elif args.clip_prefers_new:
        raise ValueError("--clip_prefers_new needs --clip ID.")
    return made_with


def _resolve(name_or_path: str) -> str:
    """A folder by its full path, so that the journal's word holds from anywhere."""
    return str(Path(name_or_path).resolve()) if Path(name_or_path).exists() else name_or_path


def _run_build(args: argparse.Namespace) -> None:
    from .build import build
    from .contact_sheet import write_contact_sheet
    from .items import format_summary
    from .parts import find_parts

    made_with = describe_run(args)
    parts = find_parts(made_with)
    summary = build(
        args.coco,
        args.out,
        parts.make_editor,
        split=args.split,
        seed=args.seed,
        read=parts.read,
        draw=parts.draw,
        gates=parts.gates,
        made_with=made_with,
    )
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

    review(args.folder, needed=args.reviews, host=args.host, port=args.port, password=args.password)


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
