//! Finds loopback ports that nobody uses at this moment.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// Returns a loopback address with a port on which nothing listens: for a program that binds it itself, or for a
/// connection that must be refused.
///
/// # Errors
/// When no port can be bound.
pub fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_listens_there() {
        let address = free_address().unwrap();
        assert!(address.ip().is_loopback() && address.port() > 0);
        assert!(std::net::TcpStream::connect(address).is_err());
    }
}
