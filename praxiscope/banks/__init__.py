"""Long-term feature banks: what was seen of every person, second by second."""
