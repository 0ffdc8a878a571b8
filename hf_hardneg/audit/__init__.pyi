from .display import draw_audits as draw_audits
from .display import format_audits as format_audits
from .text_only_readers import Audit as Audit
from .text_only_readers import audit_negatives as audit_negatives
