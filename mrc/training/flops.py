"""The matrix products of a training step, and the share of the device's peak that they reach."""

import torch
from torch import nn

from mrc.runtime.device import DTYPES

# Dense matrix products of half precision, in TFLOP/s, by what the device's name holds (the makers' data sheets).
PEAK_TFLOPS = {
    "H200": 989,
    "H100 PCIe": 756,
    "H100": 989,
    "A100": 312,
    "L40S": 362,
    "L4": 121,
    "A10": 125,
    "V100": 125,
    "T4": 65,
    "RTX 4090": 165,
    "RTX 3090": 71,
}


class FlopCounter:
    """The matrix products of a training step, and how much of them a device does in a second.

    model: its `encoder.config` gives the layers and the width that attention has; without one, attention is not counted.
    """

    def __init__(self, model, device, precision, processes=1):
        config = getattr(getattr(model, "encoder", None), "config", None)
        self.attention = getattr(config, "num_hidden_layers", 0) * getattr(config, "hidden_size", 0)
        self.weights = sum(
            module.weight.numel() for module in model.modules() if isinstance(module, nn.Linear)
        )
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
        peak = (
            next((peak for key, peak in PEAK_TFLOPS.items() if key in name), None)
            if precision in DTYPES
            else None
        )
        self.peak = peak and peak * processes

    def flops(self, tokens, length):
        """Of a step on so many tokens in windows of that length, forward and backward (twice the forward)."""
        return 3 * tokens * (2 * self.weights + 4 * self.attention * length)

    def rates(self, flops_per_second):
        """What a log line says of it: TFLOP/s, and on a known device their share of the most that it can do."""
        tflops = flops_per_second / 1e12
        return {"tflops": tflops, **({"share_of_peak": tflops / self.peak} if self.peak else {})}
