"""HDR scenes: which files, how they are held, which are held out."""
