"""A profile in other forms: JSON, traces, stacks, pictures and a page."""
