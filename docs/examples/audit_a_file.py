"""Audit a file of captions and negatives: python audit_a_file.py FILE."""

import sys

from hf_hardneg.audit import audit_negatives, format_audits
from hf_hardneg.data import read_caption_negatives


captions, negatives, skipped = read_caption_negatives(sys.argv[1])
audit = audit_negatives(captions, negatives)
print(format_audits({sys.argv[1]: audit}))
print("The n-grams that give negatives away:", [ngram for ngram, _ in audit.giveaways[:5]])
