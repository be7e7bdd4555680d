//! Answers servers that ask who is there (RFC 9110 section 11), each origin with its own credentials and no other's.
//!
//! `secret` keeps what must not be printed, `credentials` says who we are to an origin, `challenge` reads what a server
//! asks, `digest` answers it without sending the password, and `keyring` keeps all that by origin.

mod challenge;
mod credentials;
mod digest;
mod keyring;
mod secret;

pub use credentials::{Credentials, CredentialsError};
pub use keyring::Keyring;
pub use secret::Secret;
