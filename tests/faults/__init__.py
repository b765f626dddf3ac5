"""What is done to lamplighter on purpose, and what must hold afterwards.

With `make test` each fault is tried a few times; `make faults` tries them as often as
docs/reliability.md says, and writes its table.
"""
