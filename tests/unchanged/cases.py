"""The commands that are recorded, in chains.

A chain is a list of commands that run one after another in a folder of their own, where ``in`` leads to the inputs:
a later command may take what an earlier one made. Chains are independent of each other. One command enlarges many
pictures where it can, because a process takes longer to start than to enlarge a small picture.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

NETWORKS = ("m3", "m5", "m7", "m11", "xl", "m5-relu", "m11-relu", "m5-int8", "m11-int8", "m5-photo", "m11-photo")
ENGINES = ("native", "openvino", "litert", "torch")
KERNELS = ("avx512vnni", "vnni256", "avxvnni", "avx2", "neon", "portable", "unknown")
FORMATS = ("png", "jpg", "webp", "tiff", "bmp", "avif", "heic", "jxl", "gif")

RECIPE = """
[network]
m = 3
f = 16
scale = {scale}
activation = "{activation}"
[data]
crop = 16
sampling = "{sampling}"
degradation = "{degradation}"
[training]
seed = 5
steps = {steps}
batch = 2
optimizer = "{optimizer}"
amsgrad = {amsgrad}
learning_rate = 1e-3
warmup = 2
loss = "{loss}"
ema = 0.9
curvature_crops = 16
validate_every = 3
checkpoint_minutes = {checkpoint_minutes}
"""

_EAGER = {"TORCHDYNAMO_DISABLE": "1"}
"""Without `torch.compile`, which would take minutes."""

_PROGRAM = str(Path(__file__).with_name("python_api.py"))


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        name: unlike any other's.
        argv: after ``python -m sesr``; or after ``python``, if `program` says so.
        environment: variables to set.
        program: whether `argv` starts with a program of Python instead of `sesr`'s command.
    """

    name: str
    argv: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    program: bool = False


@dataclass(frozen=True)
class Chain:
    """Commands in one folder.

    Attributes:
        commands: in their order.
        copies: folders of inputs to copy there, because the commands write beside them.
        files: texts to write there first.
    """

    commands: tuple[Command, ...]
    copies: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=dict)


def list_chains(inputs: Path) -> list[Chain]:
    """List everything; `inputs` is the folder that `drawings.draw_inputs` filled. The longest chains come first."""
    made = [
        *_training(),
        *_python(),
        *_engines(),
        *_formats(inputs),
        *_metadata(inputs),
        *_animations(inputs),
        *_sizes(inputs),
        *_networks(inputs),
        *_kernels(inputs),
        *_tiles(inputs),
        *_large(inputs),
        *_bad(inputs),
        *_export(),
        *_evaluate(),
        _folders(),
        _outputs(),
        *_wrong_usage(),
        *_help(),
    ]
    names = [command.name for chain in made for command in chain.commands]
    assert len(names) == len(set(names)), "two commands have the same name"
    return made


def _upscale(name: str, inputs: list[str], *options: str, **environment: str) -> Command:
    return Command(name, ("upscale", *inputs, *options), environment)


def _alone(*commands: Command) -> Iterator[Chain]:
    """Each command as a chain of its own."""
    yield from (Chain((command,)) for command in commands)


def _files(inputs: Path, *patterns: str) -> list[str]:
    """The inputs that match, as a command sees them."""
    found = sorted({path for pattern in patterns for path in inputs.glob(pattern)})
    return [f"in/{path.relative_to(inputs)}" for path in found]


def _formats(inputs: Path) -> Iterator[Chain]:
    """Every kind of still picture into every format; some fail, so one at a time, as in `_bad`."""
    options = ("-j", "1", "-m", "m3", "-o", "out/")
    for suffix in FORMATS:
        yield from _alone(_upscale(f"formats/{suffix}", _files(inputs, "stills/*"), *options, "-f", suffix))
    for suffix in ("jpeg", "tif", "heif"):
        yield from _alone(_upscale(f"formats/{suffix}", _files(inputs, "stills/*-rgb.*"), *options, "-f", suffix))


def _metadata(inputs: Path) -> Iterator[Chain]:
    """Qualities, and metadata left out."""
    some = _files(inputs, "stills/*everything*", "stills/*text*", "stills/*p3*", "stills/*tags*", "stills/*iptc*")
    few = _files(inputs, "stills/*-rgb.*", "stills/*-rgba.*")
    for suffix in FORMATS[:-1]:
        stripped = ("--strip-metadata", "-f", suffix, "-o", "out/", "-m", "m3")
        yield from _alone(_upscale(f"metadata/stripped-{suffix}", some, *stripped))
    for suffix in ("jpg", "webp", "avif", "heic", "jxl"):
        for quality in ("100", "60"):
            quick = ("--quality", quality, "-f", suffix, "-o", "out/", "-m", "m3")
            yield from _alone(_upscale(f"quality/{suffix}-{quality}", few, *quick))


def _animations(inputs: Path) -> Iterator[Chain]:
    animations = _files(inputs, "animations/*")
    for suffix in ("gif", "webp", "png", "avif", "jpg", "tiff"):
        yield from _alone(_upscale(f"animations/{suffix}", animations, "-f", suffix, "-o", "out/", "-m", "m3"))
    yield from _alone(
        _upscale("animations/scale-1.5", animations, "-s", "1.5", "-f", "webp", "--quality", "80", "-o", "out/"),
        _upscale("animations/stripped", animations, "--strip-metadata", "-f", "gif", "-o", "out/", "--int8"),
    )


def _sizes(inputs: Path) -> Iterator[Chain]:
    """Scales and sizes, of small and of odd pictures."""
    few = _files(inputs, "few/*")
    for scale in ("1", "1.5", "2", "2.37", "3", "4", "8", "64.5", "0.5", "1,5", "two"):
        yield from _alone(_upscale(f"sizes/scale-{scale}", few, "-s", scale, "-o", "out/"))
    for size in ("100x", "x100", "122x94", "122x95", "200x200", "20x", "100000000x", "x", "ax7"):
        yield from _alone(_upscale(f"sizes/size-{size}", few, "--size", size, "-o", "out/"))
    for size in ("200x200", "30x30", "100x", "1x1"):
        yield from _alone(_upscale(f"sizes/fit-{size}", few, "--fit", "--size", size, "-o", "out/"))
    odd = _files(inputs, "sizes/*")
    for scale in ("1.5", "2", "3", "4"):
        yield from _alone(_upscale(f"sizes/odd-{scale}", odd, "-s", scale, "-o", "out/"))
    yield from _alone(
        _upscale("sizes/odd-jpg", odd, "-f", "jpg", "-o", "out/"),
        _upscale("sizes/limit", few, "--max-megapixels", "0.0025", "-o", "out/"),
        _upscale("sizes/deep-tiff", _files(inputs, "few/*16.png"), "-s", "2.5", "-f", "tiff", "-o", "out/"),
    )


def _networks(inputs: Path) -> Iterator[Chain]:
    few = _files(inputs, "few/*")
    for network in NETWORKS:
        for scale in ("2", "3", "4"):
            yield from _alone(_upscale(f"networks/{network}-x{scale}", few, "-m", network, "-s", scale, "-o", "out/"))
    for network in ("m3", "m5", "m11", "xl", "m5-int8"):
        for option in ("--int8", "--photo"):
            for scale in ("2", "4"):
                name = f"networks/{network}{option}-x{scale}"
                yield from _alone(_upscale(name, few, "-m", network, option, "-s", scale, "-o", "out/"))
    yield from _alone(
        _upscale("networks/int8-photo", few, "--int8", "--photo", "-o", "out/"),
        _upscale("networks/unknown", few, "-m", "m6", "-o", "out/"),
        _upscale("networks/no-file", few, "-m", "none.safetensors", "-o", "out/"),
        _upscale("networks/no-network", few, "-m", few[0], "-o", "out/"),
    )


def _engines() -> Iterator[Chain]:
    few = [f"in/few/few-{name}.png" for name in ("l", "rgb", "rgba", "rgb16")]
    for engine in ENGINES:
        for option in ((), ("--int8",), ("-s", "4"), ("-s", "1.5", "-m", "m3"), ("-t", "16"), ("-m", "m5-relu")):
            name = f"engines/{engine}{''.join(option)}"
            options = ("--engine", engine, "--threads", "2", "-o", "out/", *option)
            yield from _alone(_upscale(name, few, *options))


def _kernels(inputs: Path) -> Iterator[Chain]:
    """Our engine's kernels; those that the processor lacks are refused, which is recorded too."""
    few = _files(inputs, "few/*")
    for kernel in KERNELS:
        for network in ("m5", "m5-relu", "m5-int8", "m11-int8"):
            for scale in ("2", "4"):
                options = ("-m", network, "-s", scale, "-o", "out/")
                yield from _alone(_upscale(f"kernels/{kernel}-{network}-x{scale}", few, *options, SESR_KERNEL=kernel))


def _tiles(inputs: Path) -> Iterator[Chain]:
    few = _files(inputs, "few/*")
    for tile in ("auto", "3", "16", "40", "1000", "0", "x"):
        yield from _alone(_upscale(f"tiles/{tile}", few, "-t", tile, "-o", "out/"))
    yield from _alone(_upscale("tiles/int8", few, "-t", "16", "--int8", "-o", "out/"))
    for threads in ("1", "2", "5"):
        options = ("--threads", threads, "-j", threads, "-o", "out/")
        yield from _alone(_upscale(f"tiles/threads-{threads}", few, *options))


def _large(inputs: Path) -> Iterator[Chain]:
    """Pictures of several bands."""
    large = _files(inputs, "large/*")
    yield from _alone(
        _upscale("large/png", large, "-m", "m3", "-o", "out/"),
        _upscale("large/tiff-1.5", large, "-m", "m3", "-s", "1.5", "-f", "tiff", "-o", "out/"),
        _upscale("large/jpg-int8", large, "--int8", "-f", "jpg", "-o", "out/"),
        _upscale("large/tiff-tiles", large, "-m", "m3", "-t", "128", "-f", "tiff", "-o", "out/"),
    )


def _bad(inputs: Path) -> Iterator[Chain]:
    """Files that fail, one at a time: libvips keeps one text of errors for all threads, and could mix them up."""
    bad = [*_files(inputs, "bad/*"), "in/bad/missing.png", "in/tree/empty", "in/few/few-l.png"]
    options = ("-j", "1", "-m", "m3", "-o", "out/")
    yield from _alone(
        _upscale("bad/png", bad, *options),
        _upscale("bad/tiff", bad, *options, "-f", "tiff"),
        _upscale("bad/jpg", bad, *options, "-f", "jpg"),
        _upscale("bad/webp-json", bad, *options, "-f", "webp", "--json"),
        _upscale("bad/limit", bad, *options, "--max-megapixels", "1000000"),
    )


def _folders() -> Chain:
    """Runs through folders, one after another: what is found, skipped and done anew."""
    tree = ["tree"]
    return Chain(
        (
            _upscale("folders/beside", tree),
            _upscale("folders/again", tree),
            _upscale("folders/json", tree, "--json"),
            _upscale("folders/overwrite", tree, "--overwrite"),
            _upscale("folders/recursive", tree, "-r", "-o", "out"),
            _upscale("folders/recursive-again", tree, "-r", "-o", "out", "--json"),
            _upscale("folders/recursive-overwrite", tree, "-r", "-o", "out", "--overwrite"),
            _upscale("folders/recursive-beside", tree, "-r"),
            _upscale("folders/other-scale", tree, "-r", "-s", "3", "-f", "webp"),
            _upscale("folders/within", tree, "-r", "-o", "tree/results"),
            _upscale("folders/within-again", tree, "-r", "-o", "tree/results"),
            _upscale("folders/include", tree, "-r", "--include", "*.JPG", "--include", "a/*", "-o", "include"),
            _upscale("folders/exclude", tree, "-r", "--exclude", "a", "--exclude", "two*", "-o", "exclude"),
            _upscale("folders/nothing", tree, "-r", "--include", "*.none", "-o", "nothing"),
            _upscale("folders/empty", ["tree/empty"], "-o", "nothing"),
            _upscale("folders/several", ["tree/a", "tree/c", "tree/one.png", "few"], "-r", "-o", "several"),
            _upscale("folders/twice", ["tree/c", "tree/c", "tree/c/one.png"], "-o", "twice"),
            _upscale("folders/one-file", tree, "-o", "one.png"),
            _upscale("folders/few-jpg", ["few"], "-f", "jpg", "--size", "100x"),
        ),
        ("tree", "few"),
    )


def _outputs() -> Chain:
    """Places of results, and obstacles in their way."""
    one, two = "few/few-rgb.png", "few/few-l.png"
    return Chain(
        (
            _upscale("outputs/beside", [one]),
            _upscale("outputs/beside-again", [one]),
            _upscale("outputs/beside-overwrite", [one], "--overwrite"),
            _upscale("outputs/beside-json", [one, two], "-s", "3", "--json"),
            _upscale("outputs/named", [one], "-o", "named.jpg", "--quality", "80"),
            _upscale("outputs/named-again", [one], "-o", "named.jpg"),
            _upscale("outputs/named-folder", [one], "-o", "new/deep/"),
            _upscale("outputs/named-in-no-folder", [one], "-o", "none/file.png"),
            _upscale("outputs/two-for-one", [one, two], "-o", "two.png"),
            _upscale("outputs/no-suffix", [one], "-o", "named"),
            _upscale("outputs/unknown-suffix", [one], "-o", "named.xyz"),
            _upscale("outputs/unknown-format", [one], "-f", "xyz"),
            _upscale("outputs/other-format", [one], "-f", "jpg", "-o", "named.png"),
            _upscale("outputs/itself", [one], "-o", one, "--overwrite"),
            _upscale("outputs/same-twice", [one, one], "-o", "twice/"),
            _upscale("outputs/same-name", [one, "few/few-turned.jpg", "in/few/few-rgb.png"], "-o", "same/"),
            _upscale("outputs/quality-png", [one], "--quality", "80", "-o", "quality.png"),
            _upscale("outputs/transparent-jpg", ["few/few-rgba.png"], "-o", "clear.jpg"),
            _upscale("outputs/json-failed", ["none.png", one], "-o", "json/", "--json"),
            _upscale("outputs/gif", [one], "-o", "still.gif"),
            _upscale("outputs/into-file", [one], "-o", "named.jpg/"),
        ),
        ("few",),
    )


def _export() -> Iterator[Chain]:
    """Networks written for other runtimes, and pictures enlarged with the files."""
    sizes: dict[str, tuple[str, ...]] = {
        "float": ("m5",),
        "x4": ("m3", "-s", "4"),
        "relu": ("m5-relu",),
        "int8": ("m5", "--int8"),
        "int8-x4": ("m5-int8", "-s", "4"),
        "size": ("m3", "--height", "40", "--width", "56"),
        "fixed": ("m3", "--height", "40", "--width", "56", "--fixed-size"),
        "transposed": ("m3", "--height", "40", "--width", "56", "--fixed-size", "--transpose-conv"),
        "transposed-alone": ("m3", "--height", "40", "--width", "56", "--transpose-conv"),
        "int8-transposed": ("m5", "--int8", "--height", "40", "--width", "56", "--fixed-size", "--transpose-conv"),
        "int8-missing": ("m3", "--int8"),
        "x3": ("m5", "-s", "3"),
    }
    for name, options in sizes.items():
        yield from _alone(Command(f"export/{name}", ("export", *options, "-o", "network.tflite")))
    few = ["in/few/few-rgb.png", "in/few/few-l.png"]
    used = [
        _upscale(f"export/used-{engine}", few, "-m", "network.tflite", "--engine", engine, "-o", f"{engine}/")
        for engine in ENGINES
    ]
    made = Command("export/made", ("export", "m3", "-o", "network.tflite"))
    again = Command("export/again", ("export", "m5", "-o", "network.tflite"))
    over = Command("export/overwrite", ("export", "m5", "-s", "4", "-o", "network.tflite", "--overwrite"))
    of_file = Command("export/of-tflite", ("export", "network.tflite", "-o", "other.tflite"))
    other_scale = _upscale("export/used-other-scale", few, "-m", "network.tflite", "-s", "3", "-o", "scale/")
    yield Chain((made, *used, again, of_file, over, other_scale))
    whole = Command("export/made-int8", ("export", "m5-int8", "-o", "network.tflite"))
    whole_used = [
        _upscale(f"export/used-int8-{engine}", few, "-m", "network.tflite", "--engine", engine, "-o", f"{engine}/")
        for engine in ENGINES
    ]
    yield Chain((whole, *whole_used))


def _evaluate() -> Iterator[Chain]:
    options: dict[str, tuple[str, ...]] = {
        "m3": ("m3",),
        "several": ("m3", "m5", "-s", "2", "4"),
        "int8": ("m5", "--int8", "-s", "2", "4"),
        "int8-rounded": ("m5-int8", "--round-input"),
        "jpeg": ("m5-photo", "--jpeg", "75"),
        "litert": ("m3", "--engine", "litert", "--threads", "2"),
        "torch": ("m3", "--engine", "torch", "--threads", "2"),
        "x3": ("m3", "-s", "3"),
        "twice": ("m3", "m3"),
        "card-jpeg": ("m3", "--card", "--jpeg", "75"),
        "unknown": ("m6",),
    }
    for name, chosen in options.items():
        argv = ("evaluate", *chosen, "--data", "in/set", "-o", "results")
        yield from _alone(Command(f"evaluate/{name}", argv))
    yield from _alone(
        Command("evaluate/folder", ("evaluate", "m3", "--data", "in/few")),
        Command("evaluate/no-data", ("evaluate", "m3", "--data", "in/none")),
    )


def _training() -> Iterator[Chain]:
    """A few steps on one thread."""
    plain = {"scale": 2, "activation": "prelu", "sampling": "images", "degradation": "none", "steps": 8}
    plain |= {"optimizer": "adam", "amsgrad": "true", "loss": "l1", "checkpoint_minutes": 3.0}
    recipes = {
        "plain": plain,
        "x4": plain | {"scale": 4},
        "photo": plain | {"degradation": "photo", "sampling": "pixels", "loss": "rmse"},
        "soap": plain | {"optimizer": "soap", "amsgrad": "false", "loss": "l2"},
        "newton": plain | {"optimizer": "gauss-newton", "amsgrad": "false", "loss": "rmse", "steps": 4},
        "long": plain | {"steps": 60, "checkpoint_minutes": 0.0},
    }
    files = {f"{name}.toml": RECIPE.format(**values) for name, values in recipes.items()}
    options = ("--device", "cpu", "--threads", "1", "--data", "in/train", "--validation", "in/watch")
    quantised = ("--quant-w", "--quant-a", "--activation", "relu", "--steps", "4")
    yield Chain((Command("train/interrupted", (_PROGRAM, "interrupted"), _EAGER, program=True),), files=files)
    yield Chain((_train("newton", "newton.toml", *options, "--init-from", "m3"),), files=files)
    for name in ("x4", "photo", "soap"):
        yield Chain((_train(name, f"{name}.toml", *options),), files=files)
    yield Chain(
        (_train("quantised", "plain.toml", *options, *quantised, "--init-from", "none", "--run", "quantised"),),
        files=files,
    )
    few = ["in/few/few-rgb.png", "in/few/few-l.png"]
    start = "runs/plain/sesr_m3_x2.safetensors"
    yield Chain(
        (
            _train("plain", "plain.toml", *options),
            _train("again", "plain.toml", *options),
            _train("resumed", "--resume", "runs/plain", "--device", "cpu", "--threads", "1"),
            _train("resumed-with-recipe", "plain.toml", "--resume", "runs/plain"),
            _upscale("train/used", few, "-m", start, "-o", "used/"),
            _train("teacher", "plain.toml", *options, "--teacher", start, "--run", "taught", "--steps", "3"),
            _train("started", "plain.toml", *options, "--init-from", start, "--run", "started", "--steps", "3"),
            Command("train/exported", ("export", start, "-o", "network.tflite")),
        ),
        files=files,
    )
    yield from (Chain((command,), files=files | _wrong_recipes()) for command in _wrong_training())


def _train(name: str, *argv: str) -> Command:
    return Command(f"train/{name}", ("train", *argv), _EAGER)


def _wrong_recipes() -> dict[str, str]:
    return {
        "misspelt.toml": "[training]\nlearnin_rate = 1\n",
        "no-table.toml": "[trainin]\nsteps = 1\n",
        "no-toml.toml": "[training\n",
        "wrong-type.toml": "[training]\nsteps = 'many'\n",
        "wrong-choice.toml": "[training]\nloss = 'l3'\n",
        "out-of-range.toml": "[training]\nlearning_rate = -1\n",
        "together.toml": "[training]\noptimizer = 'soap'\n",
    }


def _wrong_training() -> Iterator[Command]:
    for recipe in (*_wrong_recipes(), "none.toml"):
        yield _train(f"wrong-{recipe}", recipe, "--data", "in/train")
    yield _train("no-data-given", "plain.toml")
    yield _train("no-such-data", "plain.toml", "--data", "in/none")
    yield _train("no-pictures", "plain.toml", "--data", "in/tree/empty")
    yield _train("bad-pictures", "plain.toml", "--data", "in/bad")
    yield _train("no-run", "--resume", "none")
    yield _train("both-lengths", "plain.toml", "--data", "in/train", "--steps", "1", "--epochs", "1")
    yield _train("unknown-start", "plain.toml", "--data", "in/train", "--init-from", "m6")
    yield _train("unknown-teacher", "plain.toml", "--data", "in/train", "--teacher", "m6")


def _python() -> Iterator[Chain]:
    """The package as Python sees it."""
    for part in ("arrays", "images", "files", "networks", "training"):
        yield Chain((Command(f"python/{part}", (_PROGRAM, part), program=True),))


def _wrong_usage() -> Iterator[Chain]:
    one = "in/few/few-l.png"
    wrong: tuple[tuple[str, ...], ...] = (
        (),
        ("enlarge",),
        ("upscale",),
        ("upscale", one, "--none"),
        ("upscale", one, "-s"),
        ("upscale", one, "-s", "0"),
        ("upscale", one, "-s", "-2"),
        ("upscale", one, "-s", "65"),
        ("upscale", one, "-s", "2", "--size", "100x"),
        ("upscale", one, "--fit"),
        ("upscale", one, "--engine", "none"),
        ("upscale", one, "--threads", "0"),
        ("upscale", one, "-j", "x"),
        ("upscale", one, "--quality", "101"),
        ("upscale", one, "--quality", "0"),
        ("upscale", one, "--max-megapixels", "-1"),
        ("upscale", one, "--max-megapixels", "many"),
        ("upscale", "none.png"),
        ("upscale", ""),
        ("upscale", "in/none/"),
        ("export",),
        ("export", "m5"),
        ("export", "m5", "-o", "network.pt"),
        ("export", "m6", "-o", "network.tflite"),
        ("export", "m5", "-o", "none/network.tflite"),
        ("export", "m5", "-o", "network.tflite", "--height", "0"),
        ("export", one, "-o", "network.tflite"),
        ("evaluate",),
        ("evaluate", "m5"),
        ("evaluate", "m5", "--data", one),
        ("train",),
        ("train", "--scale", "5"),
        ("benchmark",),
        ("benchmark", "none"),
        ("info", "more"),
    )
    for number, argv in enumerate(wrong):
        yield from _alone(Command(f"usage/{number:02}", argv))


def _help() -> Iterator[Chain]:
    yield from _alone(Command("info", ("info",)), Command("version", ("--version",)), Command("help", ("--help",)))
    for command in ("upscale", "train", "evaluate", "export", "info", "benchmark"):
        yield from _alone(Command(f"help/{command}", (command, "--help")))
    for kind in ("engine", "engine-memory", "files", "speed", "memory", "training", "npu"):
        yield from _alone(Command(f"help/benchmark-{kind}", ("benchmark", kind, "--help")))
