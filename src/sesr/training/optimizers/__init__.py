"""Optimizers that PyTorch does not have: SOAP and Gauss-Newton."""
