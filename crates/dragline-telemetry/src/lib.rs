//! Names every metric and turns events into metrics and log lines.
