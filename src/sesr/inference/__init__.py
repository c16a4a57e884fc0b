"""Upscales pictures to any size. Needs no PyTorch."""
