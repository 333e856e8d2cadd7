"""One's own annotations: exports of annotation tools as lists in AVA's format."""
