"""Audit a file of captions and negatives: python audit_a_file.py FILE."""

import sys

from hf_hardneg.audit import audit_negatives, format_audits
from hf_hardneg.data import read_negatives


found = read_negatives(sys.argv[1])
audit = audit_negatives(found.captions, found.negatives, found.image_ids, found.concepts)
print(f"{audit.strongest} tells {audit.readers[audit.strongest].share:.1f} % of {audit.pairs_read} negatives.")
print(format_audits({sys.argv[1]: audit}))
print("The n-grams that give negatives away:", [ngram for ngram, _ in audit.giveaways[:5]])
