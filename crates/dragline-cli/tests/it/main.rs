//! Tests of the `dragline` program itself, as people run it: real processes, real sockets on loopback, real files.

mod demo;
mod documentation;
mod endings;
mod fetching;
mod http;
mod logging;
mod manners;
mod observed;
mod process;
mod prometheus;
mod refusals;
mod results;
mod scope;
mod walk;
