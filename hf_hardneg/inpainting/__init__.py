"""Make inpainted pairs from photos: propose, mask, edit, check, review, publish."""

import lazy_loader


__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
