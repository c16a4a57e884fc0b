"""Training's simulation of int8 equals the int8 network in every bit; gradients reach all that it learns."""

import itertools

import pytest

pytest.importorskip("torch")

import torch
from tests.fakes import picture

from sesr.network.linear_block import LinearBlock
from sesr.network.long_residual import sums_agree
from sesr.network.quantized import QuantizedNetwork
from sesr.network.reference import run_int8
from sesr.network.sesr import SESR
from sesr.network.variants import Activation, SESRConfig
from sesr.training.quantization import QuantizedSESR, Range

ACTIVATIONS: tuple[Activation, ...] = ("relu", "prelu")
KINDS = [
    SESRConfig(m=2, f=5, scale=scale, activation=activation, input_residual=residual, feature_size=12)
    for scale, activation, residual in itertools.product((2, 3, 4), ACTIVATIONS, (True, False))
]


def simulation(config: SESRConfig, *, quant_w: bool = True, quant_a: bool = True) -> QuantizedSESR:
    torch.manual_seed(config.scale)
    network = SESR.from_config(config)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("bias"):
                parameter.uniform_(-0.1, 0.1)
        network.tail.project.mul_(4)
        if not config.input_residual:
            network.tail.bias.add_(0.5)
    model = QuantizedSESR(network, quant_w=quant_w, quant_a=quant_a)
    model.start_ranges([torch.rand(2, 1, 24, 24) * 0.8 + 0.1 for _ in range(3)])
    return model


@pytest.mark.parametrize("config", KINDS, ids=str)
def test_simulation_equals_the_integer_reference(config: SESRConfig) -> None:
    """Borders, extremes and saturation included; in float32, without a single pixel's difference."""
    model = simulation(config).eval()
    for size in ((1, 1), (2, 9), (60, 73)):
        pixels = picture(*size)
        with torch.no_grad():
            simulated = model(torch.from_numpy(pixels).float()[None, None] / 255)[0, 0]
        assert torch.equal((simulated * 255).round(), torch.from_numpy(run_int8(model.to_integers(), pixels)).float())


def test_training_forward_differs_by_a_rounding_at_most() -> None:
    """Additions are real while training; that moves few pixels, by one step."""
    model = simulation(SESRConfig(m=2, f=5, activation="relu", feature_size=12))
    luma = torch.from_numpy(picture(60, 70)).float()[None, None] / 255
    with torch.no_grad():
        difference = 255 * (model.train()(luma).clamp(0, 1) - model.eval()(luma)).abs()
    assert float(difference.max()) < 1.01
    assert float((difference > 0.5).float().mean()) < 1e-3


@pytest.mark.parametrize("config", KINDS[:4], ids=str)
def test_everything_learns(config: SESRConfig) -> None:
    model = simulation(config)
    luma = torch.rand(2, 1, 16, 16)
    model(luma).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_gradients_of_a_range() -> None:
    """Inside, straight through; what is clipped pulls at the end it is clipped to."""
    grid = Range(signed=True)
    grid.start_at(-1.0, 1.0)
    values = torch.tensor([-3.0, -0.5, 0.25, 4.0], requires_grad=True)
    plane = grid.onto(values, 1.0)
    real = plane.units * plane.scale
    assert torch.allclose(real.detach(), torch.tensor([-1.0, -0.5, 0.25, 1.0]), atol=1 / 127)
    assert grid.low is not None
    (high_above,) = torch.autograd.grad(real[3], grid.high, retain_graph=True)
    (low_below,) = torch.autograd.grad(real[0], grid.low, retain_graph=True)
    (inside,) = torch.autograd.grad(real[1:3].sum(), values, retain_graph=True)
    assert float(high_above) == pytest.approx(1, abs=0.01)
    assert float(low_below) == pytest.approx(1, abs=0.01)
    assert torch.allclose(inside, torch.tensor([0.0, 1.0, 1.0, 0.0]))


def test_zero_is_on_every_grid() -> None:
    """Convolutions pad with it."""
    for low, high in ((-1.0, 0.3), (0.2, 1.0), (-1.0, -0.5), (0.0, 0.0)):
        grid = Range(signed=True)
        grid.start_at(low, high)
        scale, zero_point = (float(value.detach()) for value in grid.grid())
        assert scale > 0
        assert -128 <= zero_point <= 127
        assert zero_point == round(zero_point)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_weights_or_features_alone(activation: Activation) -> None:
    """Each alone costs less than both, and nothing quantized is the float network except for the input's rounding."""
    config = SESRConfig(m=2, f=5, activation=activation, feature_size=12)
    pixels = torch.from_numpy(picture(40, 40)).float()[None, None] / 255
    with torch.no_grad():
        exact = simulation(config, quant_w=False, quant_a=False).network.eval()(pixels)
        errors = {
            kinds: float((simulation(config, quant_w=kinds[0], quant_a=kinds[1]).eval()(pixels) - exact).abs().mean())
            for kinds in itertools.product((False, True), repeat=2)
        }
    assert errors[False, False] < 1e-6
    assert 0 < errors[True, False] < errors[True, True]
    assert 0 < errors[False, True] <= errors[True, True] * 1.2


def test_ranges_start_at_what_features_reach() -> None:
    config = SESRConfig(m=1, f=4, activation="relu", feature_size=8)
    model = simulation(config)
    luma = torch.rand(1, 1, 30, 30)
    model.start_ranges([luma])
    with torch.no_grad():
        first = model.network.head(luma - 0.5)
        features = torch.relu(model.network.body[0](first))
    head, body = model.ranges["head"], model.ranges["body0"]
    assert isinstance(head, Range)
    assert isinstance(body, Range)
    assert head.low is not None
    assert (head.low.item(), head.high.item()) == pytest.approx((float(first.min()), float(first.max())))
    assert body.high.item() == pytest.approx(float(features.max()))
    assert body.low is None


def test_dead_channels_keep_simulation_and_integers_equal() -> None:
    """Weights that vanish next to their bias would need a bias beyond int32."""
    model = simulation(SESRConfig(m=2, f=5, activation="relu", feature_size=12)).eval()
    with torch.no_grad():
        model.network.head.expand.zero_()
        model.network.head.bias.fill_(0.3)
        block = model.network.body[1]
        assert isinstance(block, LinearBlock)
        block.project[2].mul_(1e-9)
    model.start_ranges([torch.rand(1, 1, 20, 20)])
    pixels = picture(20, 25)
    with torch.no_grad():
        simulated = model(torch.from_numpy(pixels).float()[None, None] / 255)[0, 0]
    network = model.to_integers()
    assert abs(network.head.bias).max() <= 2**22
    assert torch.equal((simulated * 255).round(), torch.from_numpy(run_int8(network, pixels)).float())


def test_rounded_weights_are_what_is_simulated() -> None:
    """Weights alone in 8 bits: the network that is kept computes what was validated."""
    model = simulation(SESRConfig(m=2, f=5, feature_size=12), quant_a=False).eval()
    kept = model.network.collapse().eval()
    kept.load_state_dict(model.rounded_weights())
    luma = torch.rand(1, 1, 12, 14)
    with torch.no_grad():
        torch.testing.assert_close(kept(luma), model(luma), rtol=0, atol=1e-6)
        assert not torch.equal(kept(luma), model.network.eval()(luma))


def agrees(network: QuantizedNetwork) -> bool:
    return sums_agree((network.slopes or network.body)[-1].output, network.head.output, network.residual_sum)


def test_a_range_that_cannot_be_settled_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sesr.training.quantization.sums_agree", lambda *_: False)
    model = simulation(SESRConfig(m=2, f=5, feature_size=12)).eval()
    before = [parameter.clone() for parameter in model.parameters()]
    model.settle()
    assert all(torch.equal(one, other) for one, other in zip(before, model.parameters(), strict=True))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_settled_networks_agree(activation: Activation) -> None:
    model = simulation(SESRConfig(m=2, f=5, activation=activation, feature_size=12)).eval()
    model.settle()
    assert agrees(model.to_integers())


def test_settling_moves_the_long_residual_by_a_little_and_the_simulation_with_it() -> None:
    """Scales of 1, 1 and 2 would put every other sum halfway; what is validated afterwards is what is kept."""
    model = simulation(SESRConfig(m=2, f=5, activation="relu", feature_size=12)).eval()
    head, last, total = (model.ranges[name] for name in ("head", "body1", "total"))
    with torch.no_grad():
        for plane, low, high in ((head, -1.27, 1.28), (last, 0.0, 2.55), (total, -2.56, 2.54)):
            assert isinstance(plane, Range)
            plane.start_at(low, high)
    before = model.to_integers()
    assert not agrees(before)
    model.settle()
    network = model.to_integers()
    assert agrees(network)
    assert 1 < network.residual_sum.scale / before.residual_sum.scale < 1.002
    pixels = picture(40, 50)
    with torch.no_grad():
        simulated = model(torch.from_numpy(pixels).float()[None, None] / 255)[0, 0]
    assert torch.equal((simulated * 255).round(), torch.from_numpy(run_int8(network, pixels)).float())
    again = [parameter.clone() for parameter in model.parameters()]
    model.settle()
    assert all(torch.equal(one, other) for one, other in zip(again, model.parameters(), strict=True))
