"""What pages show of the product's rows: bounded reads, whatever is in those rows.

Each file answers one question and says what it needs; `part.read_part` does the reading, so that
what is missing or odd costs only its own part of a page.
"""
