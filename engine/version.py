"""The version of engine and plugin; `metadata.txt` carries the same one (a test compares them)."""

VERSION = "0.1.0"
PROTOCOL = 1  # of the messages between plugin and worker
