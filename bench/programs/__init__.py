"""Programs that run in processes of their own; see `bench.processes`."""
