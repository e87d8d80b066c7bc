"""A user's own activation and loss, and how their derivatives are checked."""
