"""What a study is: the configuration and its overlays, the checks, the runs it asks for, and running it."""
