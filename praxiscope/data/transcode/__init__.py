"""Copies of videos in another form: smaller, or as images."""
