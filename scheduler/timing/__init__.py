"""When: the schedule file, fire times, and the clock that looks at them."""
