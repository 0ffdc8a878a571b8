"""Photos in which one thing changed: propose, mask, edit, gate and journal, each a callable that can be replaced."""
