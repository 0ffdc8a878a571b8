import pytest

from hf_hardneg.training.collator import HardNegCollator


@pytest.fixture
def batches(monkeypatch):
    """The rows of every batch that the trainer collates."""
    seen, collate = [], HardNegCollator.__call__

    def record(self, rows):
        seen.extend(rows)
        return collate(self, rows)

    monkeypatch.setattr(HardNegCollator, "__call__", record)
    return seen
