"""SugarCrepe on any CLIP: python sugarcrepe.py MODEL FOLDER."""

import sys
from pathlib import Path

from hf_hardneg.evaluation import evaluate_models, write_evaluation


model, folder = sys.argv[1:]  # such as openai/clip-vit-base-patch32 data/sugar-crepe
evaluation = evaluate_models([model], [f"sugarcrepe={folder}"])
print(write_evaluation(evaluation, Path("outputs/sugarcrepe")))
