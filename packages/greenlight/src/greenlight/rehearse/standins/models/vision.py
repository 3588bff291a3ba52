"""Stand-ins of models of images."""

from __future__ import annotations

from typing import Any

from greenlight.rehearse.standins.models import tokenizer_kinds
from greenlight.rehearse.standins.models.architecture import Architecture

_CLASSES = 1000
_LABELS = {
    "id2label": {str(place): f"LABEL_{place}" for place in range(_CLASSES)},
    "label2id": {f"LABEL_{place}": place for place in range(_CLASSES)},
}
_HALF = [0.5, 0.5, 0.5]
_IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}


def vit(*, patch: int, size: int, classifies: bool) -> Architecture:
    """Return ViT: with a head of 1000 classes, or without one and with a pooler.

    Parameters
    ----------
    patch, size
        Side of a patch and of an image, in pixels.
    classifies
        Whether the real one was fine-tuned on ImageNet-1k.
    """
    model_class = "ViTForImageClassification" if classifies else "ViTModel"
    config: dict[str, Any] = {
        "architectures": [model_class],
        "model_type": "vit",
        "attention_probs_dropout_prob": 0.0,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.0,
        "hidden_size": 64,
        "image_size": size,
        "initializer_range": 0.02,
        "intermediate_size": 128,
        "layer_norm_eps": 1e-12,
        "num_attention_heads": 4,
        "num_channels": 3,
        "num_hidden_layers": 2,
        "patch_size": patch,
        "qkv_bias": True,
        **(_LABELS if classifies else {}),
    }
    processor: dict[str, Any] = {
        "image_processor_type": "ViTImageProcessor",
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": _HALF,
        "image_std": _HALF,
        "resample": 2,
        "rescale_factor": 1 / 255,
        "size": {"height": size, "width": size},
    }
    return Architecture("vit", model_class, "image", config, None, processor=processor)


def resnet(*, bottleneck: bool) -> Architecture:
    """Return ResNet with 1000 classes: of basic blocks (18, 34) or of bottlenecks (50 and more layers)."""
    config: dict[str, Any] = {
        "architectures": ["ResNetForImageClassification"],
        "model_type": "resnet",
        "depths": [2, 2, 2, 2],
        "downsample_in_first_stage": False,
        "embedding_size": 16,
        "hidden_act": "relu",
        "hidden_sizes": [32, 48, 64, 96] if bottleneck else [16, 24, 32, 64],
        "layer_type": "bottleneck" if bottleneck else "basic",
        "num_channels": 3,
        "torch_dtype": "float32",
        **_LABELS,
    }
    processor: dict[str, Any] = {
        "image_processor_type": "ConvNextImageProcessor",
        "crop_pct": 0.875,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        **_IMAGENET,
        "resample": 3,
        "size": {"shortest_edge": 224},
    }
    return Architecture("resnet", "ResNetForImageClassification", "image", config, None, processor=processor)


def clip(*, patch: int, size: int) -> Architecture:
    """Return CLIP: one encoder of texts, one of images.

    Parameters
    ----------
    patch, size
        Side of a patch and of an image, in pixels.
    """
    shape: dict[str, Any] = {
        "attention_dropout": 0.0,
        "dropout": 0.0,
        "hidden_act": "quick_gelu",
        "hidden_size": 64,
        "intermediate_size": 128,
        "layer_norm_eps": 1e-5,
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "projection_dim": 64,
    }
    ends = {"bos_token_id": "<|startoftext|>", "eos_token_id": "<|endoftext|>", "pad_token_id": "<|endoftext|>"}
    config: dict[str, Any] = {
        "architectures": ["CLIPModel"],
        "model_type": "clip",
        "initializer_factor": 1.0,
        "logit_scale_init_value": 2.6592,
        "projection_dim": 64,
        "text_config": {
            "model_type": "clip_text_model",
            "max_position_embeddings": 77,
            "vocab_size": None,
            **ends,
            **shape,
        },
        "vision_config": {
            "model_type": "clip_vision_model",
            "image_size": size,
            "num_channels": 3,
            "patch_size": patch,
            **shape,
        },
    }
    processor: dict[str, Any] = {
        "image_processor_type": "CLIPImageProcessor",
        "crop_size": {"height": size, "width": size},
        "do_center_crop": True,
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
        "resample": 3,
        "size": {"shortest_edge": size},
    }
    return Architecture(
        "clip",
        "CLIPModel",
        "image-and-text",
        config,
        tokenizer_kinds.clip(),
        processor=processor,
    )
