"""Measure how many negatives a reader tells apart without the image."""

import lazy_loader


__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
