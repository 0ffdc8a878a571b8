from .clip_gate import ClipGate as ClipGate
from .gates import GATES as GATES
from .gates import Candidate as Candidate
from .validation_report import validate_set as validate_set
