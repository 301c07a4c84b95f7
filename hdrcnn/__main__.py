"""Run the command line by `python -m hdrcnn`."""

from hdrcnn.cli.main import entry

if __name__ == "__main__":
    entry()
