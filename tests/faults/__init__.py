"""What is done to lamplighter on purpose, and what must hold afterwards.

`pytest tests/faults` tries each fault a few times; `make faults` tries them as often as
docs/reliability.md says, and writes its table.
"""
