"""Alternatives that a user might pick instead of SESR: other engines, other networks, and resizers.

`graph` describes networks as data. `onnxruntime`, `openvino`, `torch` and `ncnn` build that description in one engine
each. `resizers` has Pillow's and OpenCV's bicubic and Lanczos. `contenders` names all of them, and `speed` lets them
take turns.
"""
