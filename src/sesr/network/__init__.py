"""The method: collapsible linear blocks, the network made of them, its variants and its files."""
