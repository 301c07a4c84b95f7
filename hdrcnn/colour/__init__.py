"""Pure maths of light and colour: curves, primaries, PQ, profiles."""
