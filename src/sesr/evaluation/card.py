"""A network's card tells what it was measured to reach: `sesr evaluate --card` writes it there."""

from dataclasses import replace
from pathlib import Path

from sesr.errors import WeightsError
from sesr.evaluation.evaluate import OURS, Evaluation
from sesr.network.quantized import load_network
from sesr.tflite.writer import export_tflite


def record(evaluation: Evaluation, safetensors: Path) -> None:
    """Puts the mean PSNR in dB of each set into the card, entry ``psnr_db``, of a network's file.

    The `.tflite` beside it, which carries the same card, is written anew. Raises `WeightsError` for a file that cannot
    be read or written, `EngineError` where the extra ``export`` is missing.
    """
    network = load_network(safetensors)
    figures = {row.set_name: round(row.psnr, 2) for row in evaluation.rows if row.method == OURS}
    network = replace(network, card=network.card | {"psnr_db": figures})
    try:
        export_tflite(network, safetensors.with_suffix(".tflite"))
        network.save(safetensors)
    except OSError as error:
        raise WeightsError(f"{safetensors}: cannot be written ({error.strerror or error})") from error
