from .classical import ClassicalEditor as ClassicalEditor
from .diffusers_editor import DiffusersEditor as DiffusersEditor
from .task import Edit as Edit
from .task import EditTask as EditTask
