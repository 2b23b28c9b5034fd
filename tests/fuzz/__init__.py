"""Generated calls: valid ones with brute force as the judge, and hostile ones."""
