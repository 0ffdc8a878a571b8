from .build import build_pairs as build_pairs
from .check import validate_set as validate_set
from .edit import ClassicalEditor as ClassicalEditor
from .edit import DiffusersEditor as DiffusersEditor
from .journal_items import read_items as read_items
from .journal_items import summarize_build as summarize_build
from .publish import export_pairs as export_pairs
from .review import write_contact_sheet as write_contact_sheet
