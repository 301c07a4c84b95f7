"""The networks: siblings, each in a file of its own that exports `build`, and their records."""
