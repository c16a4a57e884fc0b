"""From a folder of pictures to a trained network. Needs the extra `train` (PyTorch)."""
