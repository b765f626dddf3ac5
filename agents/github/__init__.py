"""What is read from GitHub, and kept in the schema `lamplighter`."""
