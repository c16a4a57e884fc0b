"""Collapsed networks as files that other runtimes read: written, run and compared."""
