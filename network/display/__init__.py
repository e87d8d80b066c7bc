"""What people see in a terminal: its width and colours, tables, and text that is redrawn."""
