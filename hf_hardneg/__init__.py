"""Teach CLIP objects, colors, sizes and locations with synthetic hard-negative captions (ALVR 2024, arXiv 2403.02875).

A public name is imported on first use. `import hf_hardneg` loads neither torch nor spaCy.
"""

import lazy_loader


__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
