"""Moving over from a crontab: what it says, and what the schedule file says instead.

Everything here reads text and makes text; nothing of what a crontab holds is ever run.
"""
