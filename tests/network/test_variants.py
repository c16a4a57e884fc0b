"""The family's costs against the published table, and counted on the real modules."""

from dataclasses import replace

import pytest

from sesr.errors import UsageError
from sesr.network.variants import SCALES, VARIANTS, SESRConfig

TABLE = {  # weights x2, weights x4, GMACs x2, GMACs x4 at 1280 x 720
    "m3": (8_912, 13_712, 2.05, 0.79),
    "m5": (13_520, 18_320, 3.11, 1.05),
    "m7": (18_128, 22_928, 4.18, 1.32),
    "m11": (27_344, 32_144, 6.30, 1.85),
    "xl": (105_376, 114_976, 24.28, 6.62),
}


@pytest.mark.parametrize("name", TABLE)
def test_table(name: str) -> None:
    x2, x4 = VARIANTS[name], replace(VARIANTS[name], scale=4)
    assert (x2.weights, x4.weights) == TABLE[name][:2]
    # the table cuts 3.115 and 1.055 down, and rounds the rest
    assert x2.macs() / 1e9 == pytest.approx(TABLE[name][2], abs=0.0051)
    assert x4.macs() / 1e9 == pytest.approx(TABLE[name][3], abs=0.0053)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", TABLE)
def test_weights_are_those_of_the_module(name: str, scale: int) -> None:
    pytest.importorskip("torch")
    from sesr.network.sesr import CollapsedSESR

    config = replace(VARIANTS[name], scale=scale)
    tensors = CollapsedSESR(config).state_dict()
    assert sum(tensor.numel() for key, tensor in tensors.items() if key.endswith("weight")) == config.weights


def test_receptive_radius() -> None:
    assert {name: config.receptive_radius for name, config in VARIANTS.items()} == {
        "m3": 7,
        "m5": 9,
        "m7": 11,
        "m11": 15,
        "xl": 15,
    }


@pytest.mark.parametrize(
    "bad", [{"scale": 5}, {"activation": "gelu"}, {"f": 0}, {"m": 0}, {"m": 10**9}, {"feature_size": 0}]
)
def test_impossible_configs_are_refused(bad: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        SESRConfig(**{"m": 5} | bad)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("config", "name", "int8_name"),
    [
        (SESRConfig(m=5), "m5", "m5-prelu-int8"),
        (SESRConfig(m=5, activation="relu"), "m5-relu", "m5-int8"),
        (SESRConfig(m=11, f=32, activation="relu", input_residual=False), "xl-relu-nores", "xl-nores-int8"),
        (SESRConfig(m=4, f=8, input_residual=False), "m4f8-nores", "m4f8-nores-prelu-int8"),
    ],
)
def test_names(config: SESRConfig, name: str, int8_name: str) -> None:
    assert (config.name, config.int8_name) == (name, int8_name)
