"""Networks to and from other programs. Each module imports its library only when it is used."""
