"""Teach CLIP objects, colors, sizes and locations with synthetic hard-negative captions (ALVR 2024, arXiv 2403.02875).

Public names are imported on first use, so that `import hf_hardneg` loads neither torch nor spaCy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from .collator import HardNegCollator
    from .negatives import AddHardNegatives, fit_slot_model
    from .positives import AddHardPositives
    from .trainer import HardNegCLIPTrainer
    from .training_args import HardNegCLIPTrainingArguments

__version__ = "0.1.0"
__all__ = [
    "AddHardNegatives",
    "AddHardPositives",
    "HardNegCLIPTrainer",
    "HardNegCLIPTrainingArguments",
    "HardNegCollator",
    "fit_slot_model",
]
_ROOMS = {
    "AddHardNegatives": "negatives",
    "AddHardPositives": "positives",
    "HardNegCLIPTrainer": "trainer",
    "HardNegCLIPTrainingArguments": "training_args",
    "HardNegCollator": "collator",
    "fit_slot_model": "negatives",
}


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_ROOMS[name]}", __name__), name)
