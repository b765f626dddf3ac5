"""What `make bench` runs: each measure beside a floor taken in the same run."""
