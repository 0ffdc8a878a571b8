"""`hf-hardneg vocabulary`."""

import argparse
import sys

from ..number_ranges import Range, whole_number


HELP = "write the nouns and adjectives of captions as a vocabulary file, the open concept"
DESCRIPTION = "Then use it: hf-hardneg negatives CAPTIONS --concepts object color size location FILE --out DIR"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("captions", help="Captions: a file, a folder or a Hub id, as for hf-hardneg negatives.")
    parser.add_argument("--out", required=True, metavar="FILE", help="The .yaml file to write.")
    parser.add_argument(
        "--min_count", type=whole_number(Range(1)), default=20, help="How often a word must be used (default 20)."
    )
    parser.add_argument(
        "--caption_column", help="The column of captions. Default: caption, captions or another usual name."
    )
    parser.add_argument("--split", default="train", help="The split to read, for a folder or Hub id (default train).")
    parser.add_argument("--dataset_config", metavar="NAME", help="The configuration, where a source has several.")


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from tqdm.auto import tqdm

    from ..columns import CAPTION
    from ..data.captions import read_captions
    from ..lexicon.open_vocabulary import check_vocabulary_file, write_open_vocabulary

    check_vocabulary_file(args.out)  # before the captions are tagged
    rows, _ = read_captions(args.captions, args.caption_column, args.split, args.dataset_config)
    counts = write_open_vocabulary(tqdm(rows[CAPTION], desc="Tagging", disable=None), args.out, args.min_count)
    sys.stdout.write(f"{counts} in {args.out}\n")
