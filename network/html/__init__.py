"""What hotloop shows in notebooks and on pages, as HTML."""
