"""What lets programs written for the `rate` and `spiking` packages run here; docs/migrating.md lists the names."""
