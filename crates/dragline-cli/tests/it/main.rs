//! Tests of the `dragline` program itself, as people run it: real processes, real sockets on loopback, real files.

mod documentation;
mod http;
mod observed;
mod process;
mod prometheus;
mod results;
mod walk;
