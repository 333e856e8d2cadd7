"""Published models: what exists, where its weights are, how they load."""
