"""The whole network: expanded, collapsed and the paper's route agree in float64, borders included."""

import itertools
from dataclasses import replace

import pytest

pytest.importorskip("torch")

import torch
from torch import Tensor, nn
from torch.nn import functional

from sesr.network.linear_block import LinearBlock
from sesr.network.sesr import SESR, CollapsedSESR
from sesr.network.variants import SCALES, VARIANTS, Activation, SESRConfig

ACTIVATIONS: tuple[Activation, ...] = ("prelu", "relu")


def trained_looking(config: SESRConfig) -> SESR:
    """A network in float64 whose biases and slopes are not the initial ones."""
    torch.manual_seed(config.m)
    network = SESR.from_config(config).double()
    for name, parameter in network.named_parameters():
        if name.endswith("bias") or name.startswith("slopes"):
            nn.init.normal_(parameter, std=0.1)
    return network.train()


def set_form(network: SESR, form: str) -> None:
    for module in network.modules():
        if isinstance(module, LinearBlock):
            module.form = form  # type: ignore[assignment]


def by_delta(network: SESR) -> CollapsedSESR:
    """The collapse by Algorithms 1 and 2 in place of the sum."""
    collapsed = network.collapse()
    blocks = [network.head, *network.body, network.tail]
    with torch.no_grad():
        for block, convolution in zip(blocks, [collapsed.head, *collapsed.body, collapsed.tail], strict=True):
            assert isinstance(block, LinearBlock)
            assert isinstance(convolution, nn.Conv2d)
            convolution.weight.copy_(block.kernel_by_delta())
    return collapsed


@pytest.mark.parametrize("input_residual", [True, False])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_expanded_collapsed_and_delta_route_are_equal(
    variant: str, scale: int, activation: Activation, input_residual: bool
) -> None:
    config = replace(VARIANTS[variant], scale=scale, activation=activation, input_residual=input_residual)
    network = trained_looking(config)
    luma = torch.rand(2, 1, 11, 9, dtype=torch.float64)
    with torch.no_grad():
        collapsed_training = network(luma)
        set_form(network, "expanded")
        expanded = network(luma)
        plain, delta = network.collapse()(luma), by_delta(network)(luma)
    assert expanded.shape == (2, 1, 11 * scale, 9 * scale)
    for other in (collapsed_training, plain, delta):
        torch.testing.assert_close(other, expanded, rtol=0, atol=1e-10)


@pytest.mark.parametrize("size", [(1, 1), (1, 8), (3, 2)])
def test_equal_where_everything_is_border(size: tuple[int, int]) -> None:
    network = trained_looking(SESRConfig(m=2, f=4, feature_size=16, scale=3))
    luma = torch.rand(1, 1, *size, dtype=torch.float64)
    with torch.no_grad():
        plain = network.collapse()(luma)
        set_form(network, "expanded")
        torch.testing.assert_close(network(luma), plain, rtol=0, atol=1e-10)


def test_network_is_the_one_that_the_design_describes() -> None:
    """Written out again with loops over channels instead of modules."""
    network = trained_looking(SESRConfig(m=2, f=3, feature_size=8)).collapse()
    tensors: dict[str, Tensor] = dict(network.state_dict())

    def conv(features: Tensor, layer: str) -> Tensor:
        weight, bias = tensors[f"{layer}.weight"], tensors[f"{layer}.bias"]
        half = weight.shape[-1] // 2
        padded = functional.pad(features, [half] * 4)
        height, width = features.shape[-2:]
        result: Tensor = bias[:, None, None].repeat(1, height, width)
        for u, v in itertools.product(range(2 * half + 1), repeat=2):
            window = padded[:, u : u + height, v : v + width]
            result = result + (weight[:, :, u, v] @ window.flatten(1)).view_as(result)
        return result

    luma = torch.rand(1, 6, 7, dtype=torch.float64)
    first = features = conv(luma - 0.5, "head")
    for index in range(2):
        z = conv(features, f"body.{index}")
        features = torch.where(z > 0, z, tensors[f"body.{index}.slope"][:, None, None] * z)
    y = conv(features + first, "tail") + luma
    expected = torch.empty(12, 14, dtype=torch.float64)
    for dy, dx in itertools.product(range(2), repeat=2):
        expected[dy::2, dx::2] = y[2 * dy + dx]
    with torch.no_grad():
        torch.testing.assert_close(network(luma[None])[0, 0], expected, rtol=0, atol=1e-12)


def test_evaluation_clips_and_training_does_not() -> None:
    network = trained_looking(SESRConfig(m=1, f=2, feature_size=4))
    luma = torch.rand(1, 1, 8, 8, dtype=torch.float64) * 3 - 1
    with torch.no_grad():
        raw = network(luma)
        assert raw.min() < 0
        assert raw.max() > 1
        torch.testing.assert_close(network.eval()(luma), raw.clamp(0, 1))
        assert not network.collapse().training
        torch.testing.assert_close(network.collapse()(luma), raw.clamp(0, 1))


def test_collapse_shares_nothing_with_the_network() -> None:
    network = trained_looking(SESRConfig(m=1, f=2, feature_size=4))
    before = network.collapse().state_dict()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1)
    after = network.collapse().state_dict()
    assert all(not torch.equal(before[name], after[name]) for name in before)


def test_receptive_radius_is_exact() -> None:
    config = SESRConfig(m=3, f=4, feature_size=8)
    network = trained_looking(config).collapse()
    one = torch.rand(1, 1, 41, 41, dtype=torch.float64)
    other = one.clone()
    other[..., 20, 20] += 0.5
    with torch.no_grad():
        touched = (network(one) != network(other))[0, 0].nonzero() // config.scale - 20
    assert int(touched.abs().max()) == config.receptive_radius == 7


def tf_depth_to_space(features: Tensor) -> Tensor:
    """TensorFlow's depth-to-space of 2: the offset is the slow part of the channel's number."""
    n, channels, height, width = features.shape
    split = features.view(n, 2, 2, channels // 4, height, width)
    return split.permute(0, 3, 4, 1, 5, 2).reshape(n, channels // 4, 2 * height, 2 * width)


def test_x4_of_the_paper_is_ours_with_channels_reordered() -> None:
    y = torch.rand(1, 16, 5, 6)
    ours = functional.pixel_shuffle(y, 4)
    bits = y.view(1, 2, 2, 2, 2, 5, 6)
    paper = bits.permute(0, 1, 3, 2, 4, 5, 6).reshape(y.shape)  # y1 y2 x1 x2 -> y1 x1 y2 x2
    assert torch.equal(tf_depth_to_space(tf_depth_to_space(paper)), ours)
    transposed = paper.view(1, 4, 4, 5, 6).transpose(1, 2).reshape(y.shape)
    assert torch.equal(functional.pixel_shuffle(functional.pixel_shuffle(transposed, 2), 2), ours)
