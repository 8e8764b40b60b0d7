"""What every backbone is: a module that knows how many channels its maps have."""

from torch import Tensor, nn


class Backbone(nn.Module):
    """Images (B, 3, H, W) -> features (B, `channels`, h, w): the last feature map before global pooling.

    `name` is the one that `create_backbone` takes.
    """

    def __init__(self, name: str, channels: int) -> None:
        super().__init__()
        self.name = name
        self.channels = channels

    def forward(self, images: Tensor) -> Tensor:
        """Features (B, C, h, w) of normalised images (B, 3, H, W)."""
        raise NotImplementedError
