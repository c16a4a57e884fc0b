"""The larger subcommands of `sesr`, and the arguments that several share; `sesr.cli` puts them together."""
