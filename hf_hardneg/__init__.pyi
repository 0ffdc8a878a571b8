from .audit import Audit as Audit
from .audit import audit_negatives as audit_negatives
from .evaluation import evaluate_models as evaluate_models
from .evaluation import load_benchmark as load_benchmark
from .hub import publish_folder as publish_folder
from .model import load_model as load_model
from .negatives import AddHardNegatives as AddHardNegatives
from .negatives import AddHardPositives as AddHardPositives
from .negatives import SlotModel as SlotModel
from .negatives import fit_slot_model as fit_slot_model
from .training import HardNegCLIPTrainer as HardNegCLIPTrainer
from .training import HardNegCLIPTrainingArguments as HardNegCLIPTrainingArguments
from .training import HardNegCollator as HardNegCollator

__version__: str
