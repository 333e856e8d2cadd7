"""Side-by-side timings: ours and a peer's way to the same end, in turn, in one run."""
