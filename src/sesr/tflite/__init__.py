"""The `.tflite` file format: graph, writer, reader."""
