"""The commands: flags, help texts, and one-line error messages instead of tracebacks."""
