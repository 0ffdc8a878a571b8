"""`hf-hardneg inpaint build`."""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from ...inpainting.run_settings import CLIP, CLIPSEG, EDITOR_OPTIONS, GROUNDING_DINO, INPAINTING, MASK_MODELS, SAM
from ...number_ranges import Range, real_number, whole_number


HELP = "edit the photos of a COCO-format folder"
DESCRIPTION = (
    "Change one object's color, size or kind in each photo, so that a caption becomes wrong in one word. "
    "Write journal.jsonl, images/ and contact_sheet.png. If the command is stopped, run it again to continue."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "--coco",
        required=True,
        metavar="DIR",
        help="COCO-format folder with annotations/ (captions and instances) and the photos",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="the folder to write or to continue")
    parser.add_argument(
        "--twins",
        metavar="DIR",
        help="also write all pairs that passed the gates as a set of twins to train on, as "
        "`hf-hardneg inpaint export --unreviewed` does",
    )
    parser.add_argument("--split", help="for instance val2017 (default: the only one)")
    parser.add_argument("--seed", type=int, default=0, help="seed of everything random (default 0)")
    _add_editor(parser)
    masks = parser.add_argument_group("masks")
    masks.add_argument(
        "--masks",
        choices=("instances", *MASK_MODELS),
        default="instances",
        help="instances: annotated masks; clipseg, grounded_sam: masks of what captions name (default instances)",
    )
    masks.add_argument(
        "--mask_model",
        nargs="+",
        metavar="ID",
        help=f"Hub ids or folders: one for clipseg ({CLIPSEG}), two for grounded_sam ({GROUNDING_DINO} {SAM})",
    )
    masks.add_argument(
        "--mask_threshold",
        type=real_number(Range(0, 1)),
        help="smallest probability of a pixel, or score of a box, 0 to 1",
    )
    gate = parser.add_argument_group("gate")
    gate.add_argument("--clip", metavar="ID", help=f"reject edits in which a dual encoder such as {CLIP} sees no gain")
    gate.add_argument(
        "--clip_prefers_new", action="store_true", help="also reject edits that still fit the old caption better"
    )


def _add_editor(parser: argparse.ArgumentParser) -> None:
    editor = parser.add_argument_group("editor")
    editor.add_argument(
        "--editor",
        choices=("classical", "diffusers"),
        default="classical",
        help="classical: OpenCV without weights; diffusers: an inpainting pipeline (default classical)",
    )
    editor.add_argument(
        "--editor_model",
        metavar="ID",
        help=f"diffusers: Hub id or folder of an inpainting pipeline (default {INPAINTING}, a mirror of the paper's "
        "Stable Diffusion 2, which is no longer on the Hub under its first name)",
    )
    editor.add_argument("--candidates", type=whole_number(Range(1)), help="diffusers: edits per proposal (default 3)")
    editor.add_argument(
        "--steps", type=whole_number(Range(1)), help="diffusers: denoising steps (default: the pipeline's)"
    )
    editor.add_argument(
        "--guidance", type=real_number(Range(0)), help="diffusers: guidance scale (default: the pipeline's)"
    )
    editor.add_argument(
        "--strength",
        type=real_number(Range(0, 1, above=True)),
        help="diffusers: noise added to the photo, up to 1 (default: the pipeline's)",
    )


def describe_run(args: argparse.Namespace) -> dict[str, Any]:
    """Return the run's `made_with` for the journal: editor, models, and all settings that are not the default.

    Raises:
        ValueError: If an argument does not belong to the chosen editor, masks or gate.
    """
    made_with: dict[str, Any] = {"editor": args.editor}
    given = {name: getattr(args, name) for name in EDITOR_OPTIONS if getattr(args, name) is not None}
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
    """Return the full path of a folder, so that the journal is valid from any directory."""
    return str(Path(name_or_path).resolve()) if Path(name_or_path).exists() else name_or_path


def _check_twins(out: str, twins: str) -> None:
    """Raise a ValueError if the twins could not be written after the build."""
    from ...atomic_folder import check_replaceable
    from ...inpainting.publish.export import ENTRIES
    from ...inpainting.publish.export_card import EXPORT_JSON

    check_replaceable(twins, EXPORT_JSON, ENTRIES, "--twins")
    if Path(os.path.realpath(out)).is_relative_to(os.path.realpath(twins)):
        raise ValueError(
            f"--out {out} lies in --twins {twins}, which holds the twins and nothing else; choose another."
        )


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from ...inpainting.build import build_pairs
    from ...inpainting.journal_items import format_build_summary
    from ...inpainting.publish.export import export_pairs
    from ...inpainting.review.contact_sheet import write_contact_sheet
    from ...inpainting.run_parts import load_run_parts

    made_with = describe_run(args)
    if args.twins is not None:
        _check_twins(args.out, args.twins)  # before hours of editing
    parts = load_run_parts(made_with)
    summary = build_pairs(
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
    sys.stdout.write(format_build_summary(summary) + (f"\n{drawn} of them: {sheet}\n" if drawn else "\n"))
    if args.twins is not None and not summary.accepted:
        sys.stdout.write(f"No pair passed the gates, so there are no twins, and {args.twins} was not written.\n")
    elif args.twins is not None:
        twins = export_pairs(args.out, args.twins, unreviewed=True)
        concepts = ", ".join(f"{name} {count}" for name, count in twins["by_concept"].items())
        sys.stdout.write(f"{twins['pairs']} pairs of twins to train on ({concepts}): --twins {args.twins}\n")
