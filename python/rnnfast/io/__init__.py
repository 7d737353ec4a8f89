"""Files: written whole or not at all, and arrays with a description in them."""
