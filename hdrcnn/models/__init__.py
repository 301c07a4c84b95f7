"""The networks: siblings, each in a file of its own, none importing another."""
