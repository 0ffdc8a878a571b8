"""What starting costs: `import hf_hardneg`, and --help against printing the help of TrainingArguments alone.

    python benchmarks/startup.py

Medians of wall seconds, alternating, in one run; writes startup.json beside this file.
"""

import json
import platform
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path


ROUNDS = 7
REFERENCE = (
    "from transformers import HfArgumentParser, TrainingArguments; HfArgumentParser(TrainingArguments).print_help()"
)
COMMANDS = {
    "python": [sys.executable, "-c", "pass"],
    "import hf_hardneg": [sys.executable, "-c", "import hf_hardneg"],
    "TrainingArguments help": [sys.executable, "-c", REFERENCE],
    "hf_hardneg.train --help": [sys.executable, "-m", "hf_hardneg.train", "--help"],
}


def main() -> None:
    """Time every command in turn, ROUNDS times."""
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(ROUNDS):
        for name, command in COMMANDS.items():
            began = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            seconds[name].append(time.perf_counter() - began)
    medians = {name: round(statistics.median(values), 3) for name, values in seconds.items()}
    result = {
        "command": "python benchmarks/startup.py",
        "median_seconds": medians,
        "import_seconds": round(medians["import hf_hardneg"] - medians["python"], 3),
        "help_ratio": round(medians["hf_hardneg.train --help"] / medians["TrainingArguments help"], 3),
        "versions": {name: version(name) for name in ("torch", "transformers")},
        "python": platform.python_version(),
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
