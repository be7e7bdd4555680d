//! Makes connections: resolve, guard, connect, proxy, TLS. Knows nothing of awc.
//!
//! ```text
//! Dialer::dial -> resolve -> guard -> eyeballs (tcp) ----------------------> tls -> Dialed
//!                    |          |                                             |
//!                    +----------+--> proxy's name, eyeballs, proxy handshake -+
//! ```

mod connection;
mod dialer;
mod eyeballs;
mod io;
mod through;

pub(crate) use connection::{ConnInfo, Dialed, Target};
pub(crate) use dialer::{Dialer, Means};
pub(crate) use io::Io;
