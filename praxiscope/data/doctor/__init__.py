"""What is wrong with data in AVA's format, found before a training run is spent on it."""
