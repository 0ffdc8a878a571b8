"""`hf-hardneg audit`."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path


HELP = "how much of a set of negatives can be told without the image"
DESCRIPTION = (
    "Read captions and negatives without any image; guessing gives 50 %. Known formats are TSV, CSV, JSON, JSONL, "
    "Parquet, dataset folders and Hub ids. Files of NegCLIP and SugarCrepe are read as they are."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "files",
        nargs="+",
        metavar="SOURCE",
        help="Files, dataset folders or Hub ids with captions and negatives. Each is a column of the table.",
    )
    parser.add_argument(
        "--caption_column", help="The column of captions. Default: caption, title or another usual name."
    )
    parser.add_argument(
        "--negatives_column",
        help="The column of negatives. Default: negatives, neg_caption, negative_caption or another usual name.",
    )
    parser.add_argument(
        "--split",
        default="train",
        help="The split of a folder or Hub id, or a slice such as test[:20].",
    )
    parser.add_argument("--dataset_config", metavar="NAME", help="The configuration, where a source has several.")
    parser.add_argument(
        "--corpus",
        metavar="SOURCE",
        help="Captions of other images, which tell the readers more of which words go together. Audited images in it "
        "are left out.",
    )
    parser.add_argument(
        "--language_model",
        metavar="ID",
        help="Hub id, folder or .gguf file of a causal language model; adds a reader that finds texts likely or not.",
    )
    parser.add_argument("--json", metavar="OUT", help="Also write the figures to this file.")
    parser.add_argument("--figure", metavar="OUT", help="Also draw the figures to this file: .png, .svg or .pdf.")


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from tqdm.auto import tqdm

    from ..atomic_folder import check_file
    from ..audit.caption_pairs import Captions
    from ..audit.display import draw_audits, format_audits
    from ..audit.measure import audit_negatives
    from ..columns import CAPTION, IMAGE_ID
    from ..data.captions import read_captions
    from ..data.negatives_files import read_negatives
    from ..data.skip_reasons import describe_reasons
    from ..user_errors import naming

    if args.json is not None:
        check_file(args.json, "--json", args.files)
    if args.figure is not None:
        check_file(args.figure, "--figure", args.files)
    corpus = None
    if args.corpus is not None:
        rows, _ = read_captions(args.corpus)
        corpus = Captions(rows[CAPTION][:], rows[IMAGE_ID][:])
    audits = {}
    stems = [Path(file).stem for file in args.files]
    for file in tqdm(args.files, desc="Auditing", disable=None):
        found = read_negatives(file, args.caption_column, args.negatives_column, args.split, args.dataset_config)
        stem = Path(file).stem
        try:
            audits[stem if stems.count(stem) == 1 else file] = audit_negatives(
                *found[:4], corpus=corpus, language_model=args.language_model
            )
        except ValueError as error:
            raise ValueError(f"{file}: {error}") from error
        if found.skipped:
            sys.stderr.write(f"{file}: skipped {describe_reasons(found.skipped)}\n")
    if args.json:
        content = {name: asdict(result) for name, result in audits.items()}
        Path(args.json).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    if args.figure:
        with naming(f"--figure {args.figure}"):
            draw_audits(audits, Path(args.figure))
    sys.stdout.write(format_audits(audits) + "\n")
