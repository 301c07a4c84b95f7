"""The networks, each in a module that exports `build`, and the metadata of their weights."""
