"""How fast stream, training, stacks and scoring are beside what one would otherwise use."""
