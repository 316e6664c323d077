"""The composition root: config, build, command line, and the verbs of `nudge`."""
