from .app import serve_review as serve_review
from .contact_sheet import write_contact_sheet as write_contact_sheet
