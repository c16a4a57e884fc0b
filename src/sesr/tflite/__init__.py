"""The `.tflite` file format.

`file` reads what any such file says about itself, `graph` builds one operator by operator, and `writer` turns a
network into one.
"""
