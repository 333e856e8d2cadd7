"""Annotation files as their authors publish them, and the lists that are built from them."""
