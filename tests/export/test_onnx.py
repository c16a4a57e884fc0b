"""An `.onnx` computes what the network does, in onnxruntime as it is by default: luma and RGB, float and int8."""

import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from tests.fakes import calm_network, float_network, random_network

import sesr
from sesr.errors import ExportError, NotInstalledError
from sesr.export.check import check_export, export_checked
from sesr.export.onnx import ONNX, ONNXRuntime
from sesr.export.onnx_writer import FREE, ONNXLayout, write_onnx
from sesr.export.verify import Planes, drawn_pictures, drawn_rgb
from sesr.imaging.arrays import Bytes
from sesr.network.quantized import AnyNetwork, load_network, load_quantized
from sesr.network.reference import add, run_float, run_int8
from sesr.network.variants import SESRConfig
from sesr.network.zoo import Network, list_networks

pytestmark = pytest.mark.needs("onnx", "onnxruntime")

SIZES = [(1, 1), (1, 7), (3, 2), (5, 9), (17, 33), (40, 37), (64, 64), (96, 50), (31, 13), (2, 60)]
FLOAT = [network for network in list_networks() if not network.int8]
INT8 = [network for network in list_networks() if network.int8]
RGB = ONNXLayout(rgb=True)
Make = Callable[[SESRConfig], AnyNetwork]


def named(network: Network) -> str:
    return f"{network.name}_x{network.config.scale}" if network.config else network.name


def slow(network: Network) -> list[pytest.MarkDecorator]:
    return [pytest.mark.slow] if network.config and network.config.weights > 50_000 else []


def runtime(network: AnyNetwork, folder: Path, layout: ONNXLayout = FREE) -> ONNXRuntime:
    file = folder / "net.onnx"
    file.write_bytes(write_onnx(network, layout))
    return ONNXRuntime(file)


def real(pixels: Bytes) -> Planes:
    return pixels.astype(np.float32) / np.float32(255)


class TestFloat:
    """Luma through float networks."""

    @pytest.mark.parametrize("shipped", [pytest.param(each, id=named(each), marks=slow(each)) for each in FLOAT])
    def test_equals_the_network(self, shipped: Network, tmp_path: Path) -> None:
        """In ten sizes, of which a single pixel is one."""
        assert shipped.safetensors is not None
        network = load_network(shipped.safetensors)
        assert not network.int8
        session = runtime(network, tmp_path)
        random = np.random.default_rng(0)
        for size in SIZES:
            picture = random.random(size, np.float32)
            expected = run_float(network, picture.astype(np.float64))
            assert np.abs(session.run(picture) - expected).max() <= 1e-5

    @pytest.mark.parametrize("scale", [2, 3, 4])
    @pytest.mark.parametrize("residual", [True, False])
    def test_every_kind(self, scale: int, residual: bool, tmp_path: Path) -> None:
        for activation in ("prelu", "relu"):
            config = SESRConfig(m=2, f=5, scale=scale, activation=activation, input_residual=residual)
            line, *_ = export_checked(float_network(config), tmp_path / f"{activation}.onnx", ONNX())
            assert line.startswith("onnxruntime: 0 of ")

    def test_a_batch(self, tmp_path: Path) -> None:
        onnxruntime = import_module("onnxruntime")
        session = runtime(float_network(SESRConfig(m=1, f=4)), tmp_path)
        pictures = np.random.default_rng(0).random((3, 1, 9, 8), np.float32)
        whole = onnxruntime.InferenceSession(tmp_path / "net.onnx").run(None, {"input": pictures})[0]
        for one, picture in zip(whole, pictures, strict=True):
            np.testing.assert_allclose(one[0], session.run(picture[0]), atol=1e-6)


class TestInt8:
    """Luma through int8 networks."""

    @pytest.mark.parametrize("shipped", INT8, ids=named)
    def test_no_pixel_differs(self, shipped: Network, tmp_path: Path) -> None:
        assert shipped.safetensors is not None
        network = load_quantized(shipped.safetensors)
        session, seen = runtime(network, tmp_path), 0
        for pixels in drawn_pictures():
            result = session.run(real(pixels)) * 255
            expected = run_int8(network, pixels)
            assert np.array_equal(np.rint(result), expected)
            assert np.abs(result - expected).max() < 1e-3
            seen += expected.size
        assert seen >= 90_000

    @pytest.mark.parametrize("shipped", INT8, ids=named)
    def test_the_long_residual_is_exact_for_all_pairs_of_numbers(self, shipped: Network) -> None:
        """The only sum that onnxruntime rounds in its own way, on all that can enter it."""
        import onnx

        onnxruntime = import_module("onnxruntime")
        assert shipped.safetensors is not None
        network = load_quantized(shipped.safetensors)
        model = onnx.shape_inference.infer_shapes(onnx.load_from_string(write_onnx(network)))
        last = f"body.{network.config.m - 1}.q"
        part = onnx.utils.Extractor(model).extract_model([last, "head.q"], ["total.q"])
        session = onnxruntime.InferenceSession(part.SerializeToString())
        shape = 1, network.config.f, 64, 1024 // network.config.f
        pairs = [axis.reshape(shape).astype(np.uint8) for axis in np.meshgrid(np.arange(256), np.arange(256))]
        (found,) = session.run(None, dict(zip((last, "head.q"), pairs, strict=True)))
        left, right = (plane.astype(np.int32) - 128 for plane in pairs)
        expected = add(left, network.body[-1].output, right, network.head.output, network.residual_sum)
        assert np.array_equal(found.astype(np.int32) - 128, expected)

    @pytest.mark.parametrize("scale", [2, 3, 4])
    def test_every_kind(self, scale: int, tmp_path: Path) -> None:
        for residual in (True, False):
            config = SESRConfig(m=2, f=5, scale=scale, activation="relu", input_residual=residual)
            line, *_ = export_checked(calm_network(config), tmp_path / f"{residual}.onnx", ONNX())
            assert "at most 1 allowed" in line

    def test_weights_and_features_are_unsigned(self, tmp_path: Path) -> None:
        import onnx

        model = onnx.load_from_string(write_onnx(calm_network(SESRConfig(m=1, f=4, activation="relu"))))
        kinds = {each.name: each.data_type for each in model.graph.initializer}
        weights = {name for name in kinds if name.endswith(".w")}
        assert {kinds[name] for name in weights} == {onnx.TensorProto.UINT8}
        assert len(weights) == 3
        for node in model.graph.node:
            if node.op_type == "QuantizeLinear":
                assert kinds[node.input[2]] == onnx.TensorProto.UINT8

    def test_signed_weights_saturate_without_vnni(self, tmp_path: Path) -> None:
        """The usual layout: onnxruntime adds its products in pairs, in 16 bits. Here as a trap that is known."""
        import onnx

        from sesr.engines.kernels import vnni_kernels

        (shipped,) = (network for network in INT8 if named(network) == "m5-int8_x2")
        assert shipped.safetensors is not None
        network = load_quantized(shipped.safetensors)
        model = onnx.load_from_string(write_onnx(network))
        for each in model.graph.initializer:
            if each.name.endswith(".w") or each.name in ("z16x", "z4x"):
                signed = (onnx.numpy_helper.to_array(each).astype(np.int16) - 128).astype(np.int8)
                each.CopyFrom(onnx.numpy_helper.from_array(signed, each.name))
        onnx.save(model, tmp_path / "signed.onnx")
        session = ONNXRuntime(tmp_path / "signed.onnx")
        steps = [np.abs(np.rint(session.run(real(p)) * 255) - run_int8(network, p)).max() for p in drawn_pictures()]
        if vnni_kernels():
            assert max(steps) <= 1
            pytest.skip("this processor has VNNI, which hides the trap")
        assert max(steps) > 10

    def test_prelu_is_refused(self, tmp_path: Path) -> None:
        network, file = random_network(SESRConfig(m=1, f=2)), tmp_path / "net.onnx"
        with pytest.raises(ExportError, match=r"net\.onnx: int8 with PReLU, .*; export it as \.tflite"):
            export_checked(network, file, ONNX())
        with pytest.raises(ExportError, match="random: int8 with PReLU"):
            write_onnx(network)
        assert not file.exists()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("qemu-x86_64") is None, reason="needs qemu-x86_64")
@pytest.mark.skipif(platform.machine() != "x86_64", reason="needs x86-64")
def test_int8_without_vnni() -> None:
    """The tests of M5's pixels and of the trap, on an emulated processor that has AVX2 and no VNNI."""
    names = ("test_no_pixel_differs[m5-int8_x2]", "test_signed_weights_saturate_without_vnni")
    tests = [f"{__file__}::TestInt8::{name}" for name in names]
    command = ["qemu-x86_64", "-cpu", "Haswell", sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run([*command, *tests], cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert "2 passed" in done.stdout, done.stdout[-3000:] + done.stderr[-1000:]


class TestRGB:
    """Color around the network, inside the file."""

    @pytest.mark.parametrize(("model", "scale"), [("m3", 2), ("m5", 4), ("m5-int8", 2), ("m11-int8", 4)])
    def test_is_within_a_step_of_upscale(
        self, model: str, scale: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SESR_FLOATS", "float32")  # as the file computes; fixed point has a bound of its own
        (found,) = (n for n in list_networks() if n.config and (n.name, n.config.scale) == (model, scale))
        assert found.safetensors is not None
        session = runtime(load_network(found.safetensors), tmp_path, RGB)
        differing = seen = 0
        for pixels in drawn_rgb():
            result = np.floor(session.run(real(pixels)) * 255 + np.float32(0.5))
            steps = np.abs(result - sesr.upscale(pixels, scale=scale, model=model))
            assert steps.max() <= 1
            differing, seen = differing + (steps > 0).sum(), seen + steps.size
        assert differing < seen / 1000

    @pytest.mark.parametrize("make", [float_network, calm_network])
    def test_every_scale(self, make: Make, tmp_path: Path) -> None:
        for scale in (2, 3, 4):
            config = SESRConfig(m=1, f=4, scale=scale, activation="relu", input_residual=scale != 3)
            line, *_ = export_checked(make(config), tmp_path / f"x{scale}.onnx", ONNX(RGB))
            assert line.startswith("onnxruntime: ")

    def test_gray_stays_gray(self, tmp_path: Path) -> None:
        session = runtime(float_network(SESRConfig(m=1, f=4)), tmp_path, RGB)
        result = session.run(np.repeat(np.random.default_rng(0).random((9, 11, 1), np.float32), 3, axis=2))
        assert np.ptp(result, axis=-1).max() < 1e-5


@pytest.mark.needs("openvino")
@pytest.mark.parametrize("layout", [FREE, RGB, ONNXLayout((12, 17)), ONNXLayout((12, 17), rgb=True)])
def test_openvino_reads_it_too(layout: ONNXLayout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = SESRConfig(m=2, f=4, scale=3)
    check = export_checked(float_network(config), tmp_path / "net.onnx", ONNX(layout))
    assert [each.runtime for each in check.comparisons] == ["onnxruntime", "openvino"]
    monkeypatch.setattr("sesr.engines.kernels.vnni_kernels", frozenset)
    quantized = calm_network(SESRConfig(m=2, f=4, activation="relu"))
    assert "openvino" in export_checked(quantized, tmp_path / "int8.onnx", ONNX(layout)).skipped


@pytest.mark.needs("openvino-int8")
@pytest.mark.parametrize("rgb", [False, True])
def test_int8_in_openvino_with_vnni(rgb: bool, tmp_path: Path) -> None:
    network = calm_network(SESRConfig(m=2, f=4, activation="relu"))
    found = export_checked(network, tmp_path / "net.onnx", ONNX(ONNXLayout(rgb=rgb))).comparisons[1]
    assert (found.runtime, found.bound) == ("openvino", 3)


@pytest.mark.parametrize("make", [float_network, calm_network])
@pytest.mark.parametrize("rgb", [False, True])
def test_one_size(make: Make, rgb: bool, tmp_path: Path) -> None:
    """The shapes stand in the file, which takes nothing else."""
    import onnx

    network = make(SESRConfig(m=1, f=4, scale=3, activation="relu"))
    layout = ONNXLayout((11, 14), rgb)
    line, *_ = export_checked(network, tmp_path / "net.onnx", ONNX(layout))
    assert f"of {8 * 9 * 11 * 14 * (3 if rgb else 1):,} pixels" in line
    graph = onnx.load(tmp_path / "net.onnx").graph
    shapes = [[n.dim_value for n in entry.type.tensor_type.shape.dim] for entry in (*graph.input, *graph.output)]
    channels = 3 if rgb else 1
    assert shapes == [[1, channels, 11, 14], [1, channels, 33, 42]]
    with pytest.raises(Exception, match="Got invalid dimensions"):
        ONNXRuntime(tmp_path / "net.onnx").run(np.zeros((11, 15, 3)[: 3 if rgb else 2], np.float32))


def test_a_file_says_what_it_is() -> None:
    import onnx

    (shipped,) = (n for n in INT8 if named(n) == "m5-int8_x2")
    assert shipped.safetensors is not None
    model = onnx.load_from_string(write_onnx(load_network(shipped.safetensors)))
    onnx.checker.check_model(onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True))
    notes = {entry.key: entry.value for entry in model.metadata_props}
    assert notes["name"] == "m5-int8"
    assert notes["network"] == "SESR-M5 x2 (m=5, f=16, relu)"
    assert notes["license"] == "Apache-2.0"
    assert (notes["color"], notes["range"]) == ("luma Y of ITU-R BT.601", "limited, black 16 to white 235")
    assert "psnr_db" in json.loads(notes["card"])
    assert {"version", "values"} < notes.keys()
    assert (model.ir_version, model.opset_import[0].version, model.producer_name) == (8, 17, "sesr")
    assert [model.graph.input[0].name, model.graph.output[0].name] == ["input", "output"]
    dimensions = [each.dim_param for each in model.graph.input[0].type.tensor_type.shape.dim]
    assert dimensions == ["batch", "", "height", "width"]
    assert {node.op_type for node in model.graph.node} == {
        *("QuantizeLinear", "DequantizeLinear", "Conv", "Add", "Sub", "DepthToSpace")
    }


def test_files_are_small_and_reproducible() -> None:
    most = {"m5_x2": 60_000, "m5-int8_x2": 20_000}
    for shipped in list_networks():
        if named(shipped) in most:
            assert shipped.safetensors is not None
            network = load_network(shipped.safetensors)
            content = write_onnx(network)
            assert len(content) < most[named(shipped)]
            assert content == write_onnx(network)


def test_int8_stays_small_with_a_longer_card() -> None:
    """A new training may write one: here the longest of all shipped networks in int8."""
    (shipped,) = (network for network in INT8 if named(network) == "m5-int8_x2")
    assert shipped.safetensors is not None
    card = max((network.card for network in INT8), key=lambda card: len(json.dumps(card)))
    assert len(write_onnx(replace(load_quantized(shipped.safetensors), card=card))) < 20_000


def test_a_file_of_another_network_fails(tmp_path: Path) -> None:
    config = SESRConfig(m=1, f=4)
    (tmp_path / "net.onnx").write_bytes(write_onnx(float_network(config)))
    float_network(config, seed=1).save(tmp_path / "other.safetensors")
    with pytest.raises(ExportError, match=r"does not compute what the network does.*onnxruntime"):
        check_export(tmp_path / "net.onnx", tmp_path / "other.safetensors", ONNX())
    (tmp_path / "cut.onnx").write_bytes((tmp_path / "net.onnx").read_bytes()[:500])
    with pytest.raises(ExportError, match=r"cut\.onnx: onnxruntime cannot run it \("):
        check_export(tmp_path / "cut.onnx", tmp_path / "other.safetensors", ONNX())


def test_what_is_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = float_network(SESRConfig(m=1, f=4))
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setitem(sys.modules, "openvino", None)
    lines = list(export_checked(network, tmp_path / "net.onnx", ONNX()))
    assert lines[0].startswith("onnxruntime: not compared; ")
    assert lines[0].endswith("pip install 'sesr[onnx]'")
    assert lines[1].startswith("openvino: not compared; ")
    assert lines[2].startswith("unchecked: ")
    assert (tmp_path / "net.onnx").exists()
    with pytest.raises(ExportError, match=r"need\.onnx: unchecked, so not written \(onnxruntime: "):
        export_checked(network, tmp_path / "need.onnx", ONNX(), require_check=True)
    assert not (tmp_path / "need.onnx").exists()
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(NotInstalledError, match=r"ONNX is not installed .*: pip install 'sesr\[onnx\]'"):
        write_onnx(network)


@pytest.mark.parametrize("layout", [FREE, RGB])
def test_programs_can_read_the_factor_from_the_shapes(layout: ONNXLayout) -> None:
    """chaiNNer sets a size and infers that of the result."""
    import onnx

    model = onnx.load_from_string(write_onnx(float_network(SESRConfig(m=1, f=4, scale=3)), layout))
    for axis, length in ((2, 16), (3, 24)):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = length
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    model.graph.output[0].type.tensor_type.ClearField("shape")
    found = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph.output[0].type.tensor_type.shape
    assert [each.dim_value for each in found.dim][2:] == [48, 72]
