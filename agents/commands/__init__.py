"""The one command, `mbrl-dae`: each of its commands reads its words, calls, and prints."""
