"""Pickles from anywhere read as data: nothing in them is executed."""
