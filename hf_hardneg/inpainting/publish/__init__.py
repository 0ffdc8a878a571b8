"""Publish the accepted pairs as a dataset with its card."""

import lazy_loader


__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
