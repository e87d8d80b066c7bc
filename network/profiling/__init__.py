"""Where the time of a training run goes, and how the training itself fares: `profiler.profile` is the way in."""
