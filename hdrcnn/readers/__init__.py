"""Picture files of many kinds: their samples as stored, and what they say beside them."""
