"""devpy's own commands, a module each: its docstring is the help, `add_arguments` its options, `execute` its work."""
