from .export import export_pairs as export_pairs
