"""Many pictures: folders, targets, batches, progress."""
