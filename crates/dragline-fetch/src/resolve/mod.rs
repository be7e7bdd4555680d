//! Resolves names: once per name at a time, by the system or by name servers, with a bounded memory.

mod memory;
mod resolver;
mod servers;
mod system;

pub(crate) use resolver::Resolver;
