"""The commands, by what they are about. Heavy imports stand inside them: a help text needs none."""
