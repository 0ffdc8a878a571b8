from .display import draw_audits as draw_audits
from .display import format_audits as format_audits
from .readers import Audit as Audit
from .readers import audit_negatives as audit_negatives
