"""Stop-watches: what `sesr benchmark` measures."""
