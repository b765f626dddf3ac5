"""Do the agents speak when they should, and keep quiet when they should? Labelled cases say."""
