"""The commands of `hf-hardneg`, one file each.

A file holds `HELP` (one line), `DESCRIPTION`, `add_arguments(parser)` and `run(args)`. What is heavy is imported in
`run`, so that `--help` is quick.
"""
