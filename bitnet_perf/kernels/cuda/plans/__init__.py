"""What a launch is made of, family by family: pure functions from shapes and types to launches."""
