//! Speaks TLS: whom to trust, what is offered, what was agreed on, and what went wrong.

mod handshake;
mod lax;
mod pem;
mod profiles;
mod words;

pub(crate) use words::{alert, describe};

pub use pem::PemError;
pub(crate) use profiles::Profiles;
