"""A collapsed network in the formats that other runtimes read."""
