//! Tests of the `dragline` program itself, as people run it: real processes, real sockets on loopback, real files.

mod demo;
mod documentation;
mod endings;
mod fetch_kit;
mod fetch_many;
mod fetch_mistakes;
mod fetch_nginx;
mod fetch_proxies;
mod fetch_requests;
mod fetching;
mod hostile;
mod hostile_run;
mod http;
mod logging;
mod manners;
mod nginx;
mod observed;
mod process;
mod prometheus;
mod refusals;
mod results;
mod scope;
mod walk;
