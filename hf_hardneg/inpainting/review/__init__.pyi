from .app import review as review
from .contact_sheet import write_contact_sheet as write_contact_sheet
