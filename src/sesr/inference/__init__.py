"""From a picture to a larger picture. Needs no PyTorch."""
