"""The matrix products of training steps, and their share of what the device can do."""

import torch
from torch import nn

from mrc.runtime.device import DTYPES

# Dense matrix products in half precision, in TFLOP/s, by a part of the device's name (data sheets).
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
    """Count the floating-point operations of a model's matrix products.

    torch.utils.flop_counter counts them exactly, by running the model; this is the usual estimate,
    from the number of weights and tokens, which costs nothing.

    model: the layers and the width of its `encoder.config` give the products of attention; without
    them, these are not counted. processes: how many share the work.
    """

    def __init__(
        self, model: nn.Module, device: torch.device, precision: str, *, processes: int = 1
    ) -> None:
        config = getattr(getattr(model, "encoder", None), "config", None)
        layers = getattr(config, "num_hidden_layers", 0)
        width = getattr(config, "hidden_size", 0)
        self.attention = layers * width
        linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
        self.weights = sum(module.weight.numel() for module in linear)
        peak = peak_tflops(device) if precision in DTYPES else None
        self.peak = peak and peak * processes

    def of_step(self, tokens: int, features: int) -> float:
        """Return the operations of a step, forward and backward, the latter twice the former.

        tokens: with padding, of all features.
        """
        length = tokens / features
        return 3 * tokens * (2 * self.weights + 4 * self.attention * length)

    def rates(self, flops_per_second: float) -> dict[str, float]:
        """Return TFLOP/s, and on a known device their share of its peak."""
        tflops = flops_per_second / 1e12
        if not self.peak:
            return {"tflops": tflops}
        return {"tflops": tflops, "share_of_peak": tflops / self.peak}


def peak_tflops(device: torch.device) -> float | None:
    """Return the peak of a device in half precision, None if it is not known."""
    if device.type != "cuda":
        return None
    device_name = torch.cuda.get_device_name(device)
    for name, peak in PEAK_TFLOPS.items():
        if name in device_name:
            return peak
    return None
