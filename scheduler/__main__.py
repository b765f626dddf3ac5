"""`python -m scheduler` is `lamplighter`."""

from scheduler.cli import main

main()
