//! Turns TOML text into a checked plan, reporting every error at once.
