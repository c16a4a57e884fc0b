"""Films: frames and the streams around them. Needs the extra `video`, except for NumPy planes."""
