"""One module for each library, see `benchmarks.trials.client.Library`."""
