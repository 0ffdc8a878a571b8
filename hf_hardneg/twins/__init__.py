"""Find natural twins: captions of two photos that differ in one concept word."""

import lazy_loader


__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
