"""What devpy keeps from one run to the next: the run cache, and the start variables of plain Python."""
