"""The vocabulary of each concept, and how words of a caption are found in it."""

import lazy_loader


__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
