//! Runs whole crawls with the real actors under simulated time, network and disk, and checks every promise.
//!
//! ```text
//!   seed --> World (hosts, pages, flaws)      --> WorldWeb, the transport --+
//!        --> Conditions (rules, credits)      ----------------------------->+--> one life of the crawl, on one arbiter
//!        --> FaultPlan (actors, disk, wishes) --> handlers, sinks, SimDisk --+      | ended        | its disk died
//!                                                                                   v              v
//!   problems <-- checks <-- fetches, files, report, metrics, samples, births <------+      next life, on what is left
//! ```
//!
//! A [`Simulation`] is a value: the same one does the same again, to the last microsecond, and says so with its trace
//! hash. What it finds wrong it says in words, and [`Simulation::command`] runs it again.

mod check;
mod conditions;
mod expect;
mod faults;
mod handler;
mod life;
mod mutant;
mod output;
mod simulation;
mod sink;
mod slow_disk;
mod web;
pub mod world;

pub use mutant::Mutant;
pub use simulation::{Counts, Faults, Outcome, Simulation};
pub use world::World;
