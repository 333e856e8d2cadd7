"""Functions that several recipes share."""
