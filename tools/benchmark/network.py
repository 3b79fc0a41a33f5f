"""Where every network starts from, and PyTorch's network: what a process without JAX can import."""

import numpy as np

SIZES = 784, 256, 128, 10  # of the network of notebook 05


def draw_params(sizes=SIZES):
    """Draw weights at He's scale; biases are zero. Returns a list of (w, b)."""
    rng = np.random.default_rng(0)
    return [
        (rng.normal(0, np.sqrt(2 / d), (d, k)).astype(np.float32), np.zeros(k, np.float32))
        for d, k in zip(sizes, sizes[1:])
    ]


def torch_model():
    """Return PyTorch's network, and a function that sets it to the start."""
    import torch

    linear = [torch.nn.Linear(d, k) for d, k in zip(SIZES, SIZES[1:])]

    @torch.no_grad()
    def start():
        for layer, (w, b) in zip(linear, draw_params()):
            layer.weight.copy_(torch.from_numpy(w.T))
            layer.bias.copy_(torch.from_numpy(b))

    return torch.nn.Sequential(linear[0], torch.nn.ReLU(), linear[1], torch.nn.ReLU(), linear[2]), start
