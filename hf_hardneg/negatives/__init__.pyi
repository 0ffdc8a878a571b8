from .add_negatives import AddHardNegatives as AddHardNegatives
from .add_negatives import fit_slot_model as fit_slot_model
from .add_positives import AddHardPositives as AddHardPositives
from .build_options import BuildOptions as BuildOptions
from .dataset_folder import make_negatives as make_negatives
from .language_model import ThinByLanguageModel as ThinByLanguageModel
from .slot_model import SlotModel as SlotModel
