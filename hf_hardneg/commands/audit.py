"""`hf-hardneg audit`."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path


HELP = "how much of a set of negatives can be told by reading alone, without the image"
DESCRIPTION = (
    "Read captions and negatives without any image: 50 % is what guessing gives. Known formats: TSV, "
    "CSV, JSON, JSONL, Parquet, dataset folders; NegCLIP's and SugarCrepe's files as they are."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="one or more files, each a column of the table")
    parser.add_argument("--caption_column", help="default: caption, title or text, whichever is there")
    parser.add_argument("--negatives_column", help="default: negatives, neg_caption or negative_caption")
    parser.add_argument("--json", metavar="OUT", help="also write the figures there")
    parser.add_argument("--figure", metavar="OUT", help="also draw them there (.png, .svg, .pdf)")


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from tqdm.auto import tqdm

    from ..audit.display import draw_audits, format_audits
    from ..audit.text_only_readers import audit_negatives
    from ..data.negatives_files import read_caption_negatives

    audits = {}
    stems = [Path(file).stem for file in args.files]
    for file in tqdm(args.files, desc="Auditing", disable=None):
        captions, negatives, skipped = read_caption_negatives(file, args.caption_column, args.negatives_column)
        stem = Path(file).stem
        try:
            audits[stem if stems.count(stem) == 1 else file] = audit_negatives(captions, negatives)
        except ValueError as error:
            raise ValueError(f"{file}: {error}") from error
        if skipped:
            sys.stderr.write(f"{file}: skipped {dict(skipped)}\n")
    if args.json:
        content = {name: asdict(result) for name, result in audits.items()}
        Path(args.json).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    if args.figure:
        draw_audits(audits, Path(args.figure))
    sys.stdout.write(format_audits(audits) + "\n")
