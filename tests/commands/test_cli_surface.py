"""Freezes the command line: commands, options and defaults that people's scripts rely on."""

import argparse

import pytest

from sesr.cli import build_parser

SURFACE = {
    "upscale": {
        "inputs": None,
        "-o --output": None,
        "-m --model": None,
        "-s --scale": None,
        "--size": None,
        "--fit": False,
        "-r --recursive": False,
        "--include": None,
        "--exclude": None,
        "--int8": False,
        "--photo": False,
        "--sharpen": None,
        "--engine": None,
        "--threads": None,
        "-t --tile": None,
        "-f --format": None,
        "--quality": None,
        "--background": None,
        "--page": None,
        "--strip-metadata": False,
        "--max-megapixels": None,
        "--overwrite": False,
        "-j --jobs": None,
        "--memory": None,
        "--json": False,
        "--shard": None,
        "--ray": None,
        "--job": None,
    },
    "plan": {
        "input": None,
        "-o --output": None,
        "--from": None,
        "--job": "default",
        "--shard-size": 10_000,
        "-s --scale": None,
        "--size": None,
        "--fit": False,
        "--include": None,
        "--exclude": None,
        "-m --model": "m5",
        "--int8": False,
        "--photo": False,
        "--sharpen": 0.0,
        "--engine": "native",
        "-t --tile": None,
        "-f --format": None,
        "--quality": None,
        "--background": None,
        "--page": None,
        "--strip-metadata": False,
        "--max-megapixels": None,
    },
    "status": {"output": None, "--job": "default", "--failed": False, "--failed-to": None, "--json": False},
    "video": {
        "input": None,
        "output": None,
        "-o --output": None,
        "-f --format": "nut",
        "-s --scale": None,
        "--size": None,
        "--fit": False,
        "-m --model": "m5",
        "--float": False,
        "--photo": False,
        "--codec": None,
        "--crf": None,
        "--preset": None,
        "--drop": False,
        "--start": None,
        "--duration": None,
        "--preview": None,
        "--deinterlace": False,
        "--deinterlace-all": False,
        "--no-still": False,
        "--threads": None,
        "--segment": 240,
        "--overwrite": False,
        "--json": False,
    },
    "train": {
        "recipe": None,
        "--data": None,
        "--validation": None,
        "--run": None,
        "--resume": None,
        "--stage": None,
        "--device": "auto",
        "--threads": None,
        "--cache": None,
        "--quant-w": None,
        "--quant-a": None,
        "--gen-tflite": False,
        "--tflite-height": 1080,
        "--tflite-width": 1920,
        "--epochs": None,
        "--steps": None,
        "--batch-size": None,
        "--learning-rate": None,
        "--scale": None,
        "--m": None,
        "--activation": None,
        "--int-features": None,
        "--feature-size": None,
        "--linear-block-type": None,
        "--precision": None,
        "--init-from": None,
        "--teacher": None,
    },
    "evaluate": {
        "models": None,
        "--data": None,
        "-s --scale": None,
        "--int8": False,
        "-o --output": "results",
        "--card": False,
        "--round-input": False,
        "--jpeg": None,
        "--against-x4": False,
        "--sharpen": None,
        "--engine": "native",
        "--threads": None,
    },
    "export": {
        "model": None,
        "-o --output": None,
        "--all": None,
        "-s --scale": None,
        "--int8": False,
        "--height": None,
        "--width": None,
        "--fixed-size": False,
        "--rgb": False,
        "--half": False,
        "--transpose-conv": False,
        "--require-check": False,
        "--overwrite": False,
    },
    "info": {"--licenses --licences": False},
    "benchmark engine": {
        "-m --models": ["m5"],
        "-s --scales": [2],
        "--width": 1920,
        "--height": 1080,
        "--rounds": 7,
        "--threads": None,
        "--avx2": False,
        "-o --output": None,
    },
    "benchmark engine-memory": {
        "-m --model": "m5",
        "-s --scale": None,
        "--int8": False,
        "--width": 8000,
        "--height": 10000,
        "--threads": None,
        "-o --output": None,
    },
    "benchmark files": {
        "-m --model": "m5",
        "-s --scale": None,
        "--int8": False,
        "--megapixels": 12.0,
        "--rounds": 5,
        "--threads": None,
        "-o --output": None,
    },
    "benchmark video": {
        "-m --model": "m5",
        "--width": 960,
        "--height": 540,
        "--seconds": 20,
        "--threads": None,
        "-o --output": None,
    },
    "benchmark sharpen": {
        "-m --model": "m5",
        "-s --scale": None,
        "--int8": False,
        "--width": 1920,
        "--height": 1080,
        "--rounds": 9,
        "--threads": None,
        "-o --output": None,
    },
    "benchmark speed": {
        "-m --model": "m5",
        "-s --scale": None,
        "--width": 1920,
        "--height": 1080,
        "--rounds": 7,
        "--threads": None,
        "-o --output": None,
    },
    "benchmark peers": {"--quick": False, "--rounds": 5, "--threads": 2, "-o --output": None},
    "benchmark memory": {"-m --model": "m5", "--megapixels": [2.0, 12.0, 100.0], "-o --output": None},
    "benchmark bulk": {"--quick": False, "--only": [], "-o --output": None},
    "benchmark training": {
        "-m --model": "m5",
        "-s --scale": 2,
        "--batch-size": 32,
        "--crop": 64,
        "--rounds": 5,
        "--device": "cpu",
        "--threads": None,
        "-o --output": None,
    },
    "benchmark gpu-training": {
        "-m --models": ["m5", "m11", "xl", "teacher"],
        "-s --scale": 2,
        "--batch-size": 32,
        "--crop": 64,
        "--precision": "bfloat16",
        "--rounds": 5,
        "-o --output": None,
    },
    "benchmark npu": {"model": None, "-s --scale": None, "-o --output": None},
    "benchmark report": {"--data": None, "--kodak": None, "--only": [], "--quick": False, "-o --output": None},
    "demo": {"--port": 8765, "--no-browser": False},
    "completion": {"shell": None},
}


def commands(parser: argparse.ArgumentParser, name: str = "") -> dict[str, argparse.ArgumentParser]:
    """All parsers that have no commands of their own, by name."""
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not groups:
        return {name.strip(): parser}
    return {k: v for word, sub in groups[0].choices.items() for k, v in commands(sub, f"{name} {word}").items()}


def test_commands() -> None:
    assert list(commands(build_parser())) == list(SURFACE)


@pytest.mark.parametrize("command", SURFACE)
def test_options_and_defaults(command: str) -> None:
    found = {}
    for action in commands(build_parser())[command]._actions:
        if not isinstance(action, argparse._HelpAction):
            default = action.default
            found[" ".join(action.option_strings) or action.dest] = (
                default if isinstance(default, (bool, int, float, list, type(None))) else str(default)
            )
    assert found == SURFACE[command]


@pytest.mark.parametrize("command", SURFACE)
def test_every_option_is_explained(command: str) -> None:
    for action in commands(build_parser())[command]._actions:
        assert action.help
