"""Stand-ins, on a CPU, for a GPU's recording."""

from collections.abc import Callable


class Keeping:
    """Records a step by keeping it."""

    recorded = 0

    def run(self, step: Callable[[], None]) -> None:
        step()

    def record(self, step: Callable[[], None]) -> Callable[[], None]:
        self.recorded += 1
        return step
