"""The commands: flags, help, one clear line instead of a traceback."""
