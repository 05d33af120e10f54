"""The ways in: command line, worker, and the jobs that both run."""
