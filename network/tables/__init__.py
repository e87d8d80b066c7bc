"""Tables of mixed columns, and how they become numbers. Needs no extra, but for the frames that narwhals reads."""
