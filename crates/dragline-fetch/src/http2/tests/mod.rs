//! Sends requests through a pool to scripted HTTP/2 servers on loopback, well-behaved ones and others.

mod content;
mod handover;
mod hostile;
mod lost;
mod raw;
mod serving;
mod support;
