"""Check edits by gates while a set is built, and validate finished sets."""

import lazy_loader


__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
