"""What the server of processes.py does once, so that none of the processes that it forks has to do it."""

import gc

from transformers import CLIPModel, CLIPProcessor  # noqa: F401, imported before the forks
from transformers.conversion_mapping import get_checkpoint_conversion_mapping

from hf_hardneg.training import recipe, release, run  # noqa: F401, imported before the forks


get_checkpoint_conversion_mapping("clip")  # compiles a thousand patterns
gc.freeze()  # After each training, accelerate has the collector look at everything else.
