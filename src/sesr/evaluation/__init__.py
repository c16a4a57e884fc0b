"""Measuring: quality by the papers' protocol, and speed."""
