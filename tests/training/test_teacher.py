"""Teachers: crops hold their answers to whole pictures, the mean over all turns, and answers are cached."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

import sesr
from sesr.data.cache import stored_planes
from sesr.data.crops import CropSampler
from sesr.data.planes import FINE, LumaPlanes
from sesr.data.settings import DataRecipe
from sesr.errors import TrainingError
from sesr.network.sesr import SESR, CollapsedSESR
from sesr.network.variants import Activation, SESRConfig
from sesr.training.answers import by_engine, by_torch, mean_answer
from sesr.training.recipe import TrainingRecipe
from sesr.training.teacher import load_teacher, teach

WEIGHTS = Path(sesr.__file__).parent / "weights"
CPU = torch.device("cpu")
SIZES = np.array([[9, 12], [10, 7]])


def teacher(scale: int = 2) -> CollapsedSESR:
    torch.manual_seed(5)
    return SESR.from_config(SESRConfig(m=1, f=4, feature_size=8, scale=scale)).collapse().train()


def planes(limited: bool = False, scale: int = 2) -> LumaPlanes:
    draw = np.random.default_rng(3)
    area = int(SIZES.prod(axis=1).sum())
    hr, lr = (torch.from_numpy(draw.integers(0, 256, count, np.uint8)) for count in (area * scale**2, area))
    return LumaPlanes(hr, lr, SIZES, np.array([limited, limited]), scale, ("a.png", "b.png"))


def test_the_mean_answer_turns_with_the_picture() -> None:
    network, luma = teacher(), torch.rand(1, 1, 6, 9)
    answer = mean_answer(network, luma)
    turns: list[Callable[[torch.Tensor], torch.Tensor]] = [
        lambda x: x.flip(2),
        lambda x: x.flip(3),
        lambda x: x.transpose(2, 3),
        lambda x: torch.rot90(x, 1, (2, 3)),
    ]
    for turned in turns:
        torch.testing.assert_close(mean_answer(network, turned(luma)), turned(answer), rtol=0, atol=1e-6)
    assert not torch.allclose(answer, network(luma), atol=1e-4)
    straight = [network(luma.rot90(k, (2, 3))).rot90(-k, (2, 3)) for k in range(4)]
    mirrored = [network(luma.flip(3).rot90(k, (2, 3))).rot90(-k, (2, 3)).flip(3) for k in range(4)]
    torch.testing.assert_close(answer, torch.stack(straight + mirrored).mean(0), rtol=0, atol=1e-6)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("limited", [False, True])
def test_crops_hold_the_answers_to_whole_pictures(limited: bool, scale: int) -> None:
    """Within half a step, wherever a crop lies and however it is turned."""
    given, network = planes(limited, scale), teacher(scale)
    taught = teach(given, network, TrainingRecipe(), CPU)
    assert torch.equal(taught.lr, given.lr)
    sampler = CropSampler(taught, DataRecipe(crop=7, sampling="pixels"), 40, seed=1)
    lr, target, _ = sampler(0)
    places, starts = sampler.places(0), np.cumsum([0, *SIZES.prod(axis=1)])
    for index in range(40):
        picture, y, x, turn = (int(part[index]) for part in (places.picture, places.y, places.x, places.turn))
        height, width = SIZES[picture]
        whole = given.lr[starts[picture] : starts[picture + 1]].view(1, 1, height, width).float()
        luma = (whole if limited else whole * 219 / 255 + 16) / 255
        with torch.no_grad():
            answer = mean_answer(network, luma)[..., scale * y : scale * (y + 7), scale * x : scale * (x + 7)]
        low = luma[..., y : y + 7, x : x + 7]
        for axis in (2, 3):
            if turn >> (axis - 2) & 1:
                answer, low = answer.flip(axis), low.flip(axis)
        if turn & 4:
            answer, low = answer.transpose(2, 3), low.transpose(2, 3)
        torch.testing.assert_close(lr[index], low[0])
        assert (target[index] - answer[0]).abs().max() <= 0.55 / FINE / 255


@pytest.mark.parametrize("limited", [False, True])
def test_crops_know_what_answers_lack_of_their_pictures(limited: bool) -> None:
    """As the mean square over the whole picture, of luma; it is measured only for the loss that counts with it."""
    given, network = planes(limited), teacher()
    taught = teach(given, network, TrainingRecipe(loss="log-l2-picture", teacher="t"), CPU)
    off = (taught.hr.double() / FINE - given.hr.double()) * (1 if limited else 219 / 255) / 255
    ends = 4 * int(SIZES[0].prod())
    expected = torch.stack([off[:ends].square().mean(), off[ends:].square().mean()]).float()
    assert expected.min() > 0
    sampler = CropSampler(taught, DataRecipe(crop=7, sampling="pixels"), 40, seed=1)
    pictures = torch.from_numpy(sampler.places(0).picture)
    assert set(pictures.tolist()) == {0, 1}
    torch.testing.assert_close(sampler(0).answer_error, expected[pictures])
    unmeasured = teach(given, network, TrainingRecipe(), CPU)
    assert unmeasured.answer_errors is None
    assert CropSampler(unmeasured, DataRecipe(crop=7, sampling="pixels"), 40, seed=1)(0).answer_error is None


def test_a_share_mixes_answers_and_hr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sesr.training.teacher._AT_ONCE", 100)
    given, network = planes(), teacher()
    answers = teach(given, network, TrainingRecipe(), CPU).hr
    mixed = teach(given, network, TrainingRecipe(teacher_share=0.25), CPU).hr
    expected = 0.25 * answers.double() + 0.75 * FINE * given.hr.double()
    assert (mixed - expected).abs().max() <= 0.51
    assert mixed.dtype == torch.int16


@pytest.fixture
def bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compute in bfloat16 where the processor has no instructions for it, too."""
    monkeypatch.setattr("sesr.training.teacher.has_bfloat16", lambda _: True)


@pytest.mark.usefixtures("bfloat16")
def test_a_teacher_answers_in_a_precision_of_its_own() -> None:
    """In bfloat16 for a learner in floats: other answers than in floats, by less than a gray level."""
    given, network = planes(), teacher()
    exact, coarse = (
        teach(given, network, TrainingRecipe(teacher="t", teacher_precision=each), CPU).hr for each in ("", "bfloat16")
    )
    assert not torch.equal(exact, coarse)
    assert torch.equal(coarse, teach(given, network, TrainingRecipe(precision="bfloat16"), CPU).hr)
    assert (exact - coarse).abs().max() < FINE


def test_floats_take_the_place_of_bfloat16_where_the_processor_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And their answers are found in the cache by a stage in floats."""
    monkeypatch.setattr("sesr.training.teacher.has_bfloat16", lambda _: False)
    given, network = planes(), teacher()
    exact = teach(given, network, TrainingRecipe(), CPU, tmp_path).hr
    for recipe in (TrainingRecipe(precision="bfloat16"), TrainingRecipe(teacher="t", teacher_precision="bfloat16")):
        assert torch.equal(teach(given, network, recipe, CPU, tmp_path).hr, exact)
    assert torch.equal(teach(given, network, TrainingRecipe(precision="tf32"), CPU, tmp_path).hr, exact)
    assert len(list((tmp_path / "planes").glob("*.safetensors"))) == 1


@pytest.mark.parametrize("activation", ["prelu", "relu"])
@pytest.mark.parametrize("input_residual", [True, False])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_engine_answers_as_pytorch_does(
    scale: Literal[2, 3, 4], input_residual: bool, activation: Activation
) -> None:
    """Within a third of a step of the cache, with large weights; beyond black and white too, one picture at a time."""
    torch.manual_seed(7)
    config = SESRConfig(m=2, f=6, feature_size=8, scale=scale, input_residual=input_residual, activation=activation)
    network = SESR.from_config(config).collapse().train()
    luma = torch.rand(1, 1, 11, 14).round()
    with torch.no_grad():
        network.tail.weight *= 3
        wanted = network(luma)
        answer = by_engine(network)(luma)
        torch.testing.assert_close(by_torch(network, bfloat16=False)(luma), wanted, rtol=0, atol=1e-6)
        with pytest.raises(ValueError, match="too many values"):
            by_engine(network)(torch.cat([luma, luma]))
    assert wanted.min() < 0 or wanted.max() > 1
    torch.testing.assert_close(answer, wanted, rtol=0, atol=0.33 / FINE / 255)


@pytest.mark.usefixtures("bfloat16")
def test_answers_are_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And made anew for other weights, pictures or precisions; a damaged file is made again."""
    given, network = planes(), teacher()
    asked: list[str] = []

    def counted(network: CollapsedSESR, luma: torch.Tensor) -> torch.Tensor:
        asked.append("")
        return mean_answer(network, luma)

    monkeypatch.setattr("sesr.training.teacher.mean_answer", counted)

    def times(planes: LumaPlanes, network: CollapsedSESR, recipe: TrainingRecipe) -> int:
        asked.clear()
        taught = teach(planes, network, recipe, CPU, tmp_path)
        assert torch.equal(taught.hr, teach(planes, network, recipe, CPU).hr)
        return len(asked) - len(SIZES)

    plain = TrainingRecipe()
    assert times(given, network, plain) == 2
    assert times(given, network, plain) == 0
    assert times(given, network, TrainingRecipe(teacher="t", teacher_share=0.5)) == 0
    assert times(given, network, TrainingRecipe(precision="bfloat16")) == 2
    assert times(given, network, TrainingRecipe(teacher="t", teacher_precision="bfloat16")) == 0
    assert times(dataclasses.replace(given, lr=given.lr + 1), network, plain) == 2
    with torch.no_grad():
        network.body[0].bias[0] += 1  # type: ignore[index, operator]
    assert times(given, network, plain) == 2
    for file in (tmp_path / "planes").iterdir():
        file.write_bytes(file.read_bytes()[:-1] + b"?")
    assert times(given, network, plain) == 2
    assert times(given, network, plain) == 0


def test_answers_to_pictures_of_another_set_are_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where teacher, LR and the meaning of gray values are the same; they are those that the teacher would give."""
    given, network = planes(), teacher()
    first = int(SIZES[0].prod())
    teach(given, network, TrainingRecipe(), CPU, tmp_path)
    more = torch.from_numpy(np.random.default_rng(8).integers(0, 256, 50, np.uint8))
    larger = LumaPlanes(
        hr=torch.zeros(4 * (50 + len(given.lr)), dtype=torch.uint8),
        lr=torch.cat([given.lr[first:], more, given.lr[:first]]),
        sizes=np.array([SIZES[1], [5, 10], SIZES[0]]),
        limited=np.array([False, False, False]),
        scale=2,
        names=("b.png", "c.png", "a.png"),
    )
    wanted = teach(larger, network, TrainingRecipe(), CPU).hr
    asked: list[tuple[int, ...]] = []

    def counted(network: CollapsedSESR, luma: torch.Tensor) -> torch.Tensor:
        asked.append(tuple(luma.shape[2:]))
        return mean_answer(network, luma)

    monkeypatch.setattr("sesr.training.teacher.mean_answer", counted)
    assert torch.equal(teach(larger, network, TrainingRecipe(), CPU, tmp_path).hr, wanted)
    assert asked == [(5, 10)]

    # of three other sets, a damaged one is passed over without a word, and one that has all is the last to be read
    read: list[Path] = []

    def noted(path: Path) -> LumaPlanes | None:
        read.append(path)
        return stored_planes(path)

    monkeypatch.setattr("sesr.training.teacher.stored_planes", noted)
    (tmp_path / "planes" / f"{next((tmp_path / 'planes').glob('*.safetensors')).name[:16]}-0.safetensors").touch()
    capsys.readouterr()
    part = dataclasses.replace(
        given,
        hr=given.hr[: 4 * first],
        lr=given.lr[:first],
        sizes=SIZES[:1],
        limited=given.limited[:1],
        names=given.names[:1],
    )
    assert torch.equal(teach(part, network, TrainingRecipe(), CPU, tmp_path).hr, wanted[-4 * first :])
    assert asked == [(5, 10)]
    assert "damaged" not in capsys.readouterr().out
    assert len(read) == 2

    other = dataclasses.replace(larger, limited=np.array([True, False, False]))
    assert torch.equal(
        teach(other, network, TrainingRecipe(), CPU, tmp_path).hr, teach(other, network, TrainingRecipe(), CPU).hr
    )
    assert asked[1:] == [(10, 7), (10, 7), (5, 10), (9, 12)]


def test_a_stopped_teacher_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The pictures answered before are not asked for again, and the answers are the same; then the journal is gone."""
    given, network = planes(), teacher()
    wanted = teach(given, network, TrainingRecipe(), CPU).hr
    asked: list[tuple[int, ...]] = []

    def stopped(network: CollapsedSESR, luma: torch.Tensor) -> torch.Tensor:
        asked.append(tuple(luma.shape[2:]))
        if len(asked) == 2:
            raise KeyboardInterrupt
        return mean_answer(network, luma)

    monkeypatch.setattr("sesr.training.teacher.mean_answer", stopped)
    with pytest.raises(KeyboardInterrupt):
        teach(given, network, TrainingRecipe(), CPU, tmp_path)
    assert len(list((tmp_path / "planes").glob("*.journal"))) == 1
    capsys.readouterr()
    assert torch.equal(teach(given, network, TrainingRecipe(), CPU, tmp_path).hr, wanted)
    assert asked == [(9, 12), (10, 7), (10, 7)]
    assert "asking the teacher, once for these pictures; answered already: 1" in capsys.readouterr().out
    assert {path.suffix for path in (tmp_path / "planes").iterdir()} <= {".safetensors", ".lock"}


def test_refusals(tmp_path: Path) -> None:
    path = tmp_path / "x3.safetensors"
    teacher(3).to_checkpoint({}).save(path)
    assert load_teacher(path, 3).training
    with pytest.raises(TrainingError, match=r"x3\.safetensors: a teacher for x3; name one for x2"):
        load_teacher(path, 2)
    with pytest.raises(TrainingError, match=r"x3\.tflite: a teacher is a float network's \.safetensors"):
        load_teacher(path.with_suffix(".tflite"), 3)
    with pytest.raises(TrainingError, match=r"cannot learn from .*int8 network, where a float one is needed"):
        load_teacher(WEIGHTS / "sesr_m5-int8_x2.safetensors", 2)
    with pytest.raises(TrainingError, match=r"cannot learn from .*none\.safetensors: no such file"):
        load_teacher(tmp_path / "none.safetensors", 2)
