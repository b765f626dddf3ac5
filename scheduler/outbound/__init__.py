"""Calling addresses that somebody wrote down, so that nobody but whom they may reach is reached.

`address`: which may be called. `resolver`: connecting only to what was looked at.
"""
