"""The command line: one file a command, thin, with heavy imports inside the command."""
