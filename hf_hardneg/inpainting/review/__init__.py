"""Let people review pairs: the page, its queue, and what the reviewers decided."""

import lazy_loader


__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
