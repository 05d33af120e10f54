"""The version of engine and plugin; `metadata.txt` carries the same one (a test compares them)."""

VERSION = "0.1.0"
