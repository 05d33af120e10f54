"""Runs in parts that any process can make, on this machine or many; needs requirements-cluster.txt."""
