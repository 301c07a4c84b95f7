"""HDR scenes: which files are scenes, where they are kept, and which are held out of training."""
