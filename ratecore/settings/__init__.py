"""Every setting with its default: frozen, typed and validated (config/README.md)."""
