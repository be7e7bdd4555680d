//! Fetches one URL and never calls a broken response fine.
