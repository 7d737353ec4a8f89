"""What models learn to predict, a file a kind: read, encoded, measured, kept in files."""
