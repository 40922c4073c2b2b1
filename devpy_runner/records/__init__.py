"""What devpy remembers from one run to the next."""
