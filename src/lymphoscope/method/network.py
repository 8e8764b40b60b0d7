"""The WT-DFN network, and the plain backbone that it is compared with (Eq. 1, Table 3)."""

from typing import Protocol

from torch import Tensor, nn

from lymphoscope.method.pooling import BilinearAttentionPooling, full_precision


class FeatureExtractor(Protocol):
    """A trainable module that turns images (B, 3, H, W) into features (B, `channels`, h, w)."""

    channels: int

    def __call__(self, images: Tensor, /) -> Tensor:
        """Return features (B, C, h, w): the last feature map before global pooling."""


class WTDFN(nn.Module):
    """Backbone, M attention maps, bilinear attention pooling, one linear layer (Eq. 1, Figure 3).

    The same network computes the raw, the cropped and the erased images; it does not know about the streams.
    """

    def __init__(
        self,
        backbone: FeatureExtractor,
        num_classes: int,
        num_maps: int = 32,
        *,
        bias: bool = True,
        signed_sqrt: bool = True,
        l2: bool = True,
        scale: float = 100.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.attention = nn.Sequential(
            nn.Conv2d(backbone.channels, num_maps, kernel_size=1, bias=False), nn.BatchNorm2d(num_maps), nn.ReLU()
        )
        self.pooling = BilinearAttentionPooling(signed_sqrt, l2, scale)
        self.dropout = nn.Dropout(dropout)
        # The paper can be read as "no bias", but the parameter counts of its Table 3 include one (ResNet18: 11,225,730
        # = 11,225,728 + 2). The counts can be checked, so the bias is the default.
        self.classifier = nn.Linear(num_maps * backbone.channels, num_classes, bias=bias)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (B, 3, H, W) -> logits (B, K) and attention maps (B, M, h, w), never negative; both float32."""
        vectors, maps = self.embed(images)
        return self.classify(vectors), maps

    def forward_with_features(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Images (B, 3, H, W) -> the outputs of `forward`, and features (B, C): the mean of X over (h, w), float32."""
        features = self.backbone(images)  # (B, C, h, w)
        vectors, maps = self._attend(features)
        return self.classify(vectors), maps, features.float().mean(dim=(2, 3))

    def embed(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (B, 3, H, W) -> pooled vectors (B, M*C), the input of the centre loss, and maps (B, M, h, w)."""
        return self._attend(self.backbone(images))

    def classify(self, vectors: Tensor) -> Tensor:
        """Vectors (B, M*C) of `embed` -> logits (B, K), float32."""
        with full_precision(vectors.device):
            logits: Tensor = self.classifier(self.dropout(vectors))
            return logits

    def _attend(self, features: Tensor) -> tuple[Tensor, Tensor]:
        with full_precision(features.device):
            features = features.float()  # (B, C, h, w)
            maps = self.attention(features)  # (B, M, h, w)
            return self.pooling(features, maps), maps


class PlainNetwork(nn.Module):
    """Backbone, global average pooling, one linear layer with bias: the "without" rows of Table 3."""

    def __init__(self, backbone: FeatureExtractor, num_classes: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.backbone = backbone
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(backbone.channels, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) -> logits (B, K), float32."""
        return self.forward_with_features(images)[0]

    def forward_with_features(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Images (B, 3, H, W) -> logits (B, K), a flat map (B, 1, 1, 1), and features (B, C): the mean over (h, w)."""
        features = self.backbone(images)  # (B, C, h, w)
        with full_precision(features.device):
            pooled = features.float().mean(dim=(2, 3))
            logits: Tensor = self.classifier(self.dropout(pooled))
            return logits, logits.new_zeros(logits.shape[0], 1, 1, 1), pooled
