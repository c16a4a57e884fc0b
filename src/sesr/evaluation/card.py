"""Measured figures in a network's card, where `sesr evaluate --card` writes them."""

from dataclasses import replace
from pathlib import Path

from sesr.errors import WeightsError
from sesr.evaluation.evaluate import GRAY_AS_RGB, OURS, Evaluation
from sesr.network.quantized import load_network
from sesr.tflite.writer import export_tflite


def record(evaluation: Evaluation, safetensors: Path) -> None:
    """Write the mean PSNR of each set, in dB, into the card of a network's file, entry ``psnr_db``.

    A `.tflite` next to the file carries the same card and is written again. Raises `WeightsError` if a file cannot be
    read or written, `EngineError` if the extra ``export`` is missing and there is a `.tflite`.
    """
    network = load_network(safetensors)
    ours = (row for row in evaluation.rows if row.method == OURS and not row.set_name.endswith(GRAY_AS_RGB))
    figures = {row.set_name: round(row.psnr, 2) for row in ours}
    network = replace(network, card=network.card | {"psnr_db": figures})
    twin = safetensors.with_suffix(".tflite")
    try:
        if twin.exists():
            export_tflite(network, twin)
        network.save(safetensors)
    except OSError as error:
        raise WeightsError(f"{safetensors}: cannot be written ({error.strerror or error})") from error
