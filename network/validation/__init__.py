"""The boundary: what users pass is checked and converted here, once, before anything is changed."""
