"""`hf-hardneg vocabulary`."""

import argparse
import sys


HELP = "write the nouns and adjectives of captions as a vocabulary file, the open concept"
DESCRIPTION = "Then: hf-hardneg negatives CAPTIONS --concepts object color size location FILE --out DIR"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("captions", help="as for negatives")
    parser.add_argument("--out", required=True, metavar="FILE", help="the .yaml file to write")
    parser.add_argument("--min_count", type=int, default=20, help="fewest uses of a word (default 20)")
    parser.add_argument("--caption_column", help="default: caption, captions or text, whichever is there")
    parser.add_argument("--split", default="train", help="of a folder or Hub id (default train)")


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from tqdm.auto import tqdm

    from ..columns import CAPTION
    from ..data.captions import read_captions
    from ..lexicon.open_vocabulary import write_open_vocabulary

    rows, _ = read_captions(args.captions, args.caption_column, args.split)
    counts = write_open_vocabulary(tqdm(rows[CAPTION], desc="Tagging", disable=None), args.out, args.min_count)
    sys.stdout.write(f"{counts} in {args.out}\n")
