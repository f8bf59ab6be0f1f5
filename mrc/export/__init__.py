"""Readers for programs without PyTorch."""

from mrc.export.onnx import OnnxReader

__all__ = ["OnnxReader"]
