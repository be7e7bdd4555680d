//! Serves loopback sites and simulates the network for tests and the demo.
