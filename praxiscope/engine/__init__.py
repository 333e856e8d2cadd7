"""Training and testing on Lightning."""
