"""Many pictures: which, in which order, what was made of them, on which machines."""
