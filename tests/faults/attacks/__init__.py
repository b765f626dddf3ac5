"""Everything that a stranger, a caller or a text may try, and what must hold while they do.

An attack is made on a daemon in a process of its own; `target` has what all of them ask of it.
"""
