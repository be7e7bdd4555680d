//! Answers admin HTTP: metrics and health.
