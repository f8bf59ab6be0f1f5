"""A reader for other programs: ONNX files, the Hugging Face hub."""
