"""The subcommands of `imds-mock`: a module each, with `add_arguments(parser)` and `run(arguments) -> exit code`."""
