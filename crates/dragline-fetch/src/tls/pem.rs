//! Reads certificates and keys from PEM files.

use std::fmt;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::{Error, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::options::{ClientIdentity, TlsOptions};

/// Why a PEM file cannot be used.
#[derive(Debug)]
pub struct PemError {
    path: PathBuf,
    reason: String,
}

impl PemError {
    fn new(path: &Path, error: &Error, wanted: &str) -> Self {
        let reason = match error {
            Error::Io(error) => error.to_string(),
            Error::NoItemsFound => format!("it holds no {wanted}"),
            Error::MissingSectionEnd { end_marker } => {
                format!("its section {} does not end", String::from_utf8_lossy(end_marker).escape_debug())
            }
            Error::IllegalSectionStart { line } => {
                format!("a section begins with \"{}\"", String::from_utf8_lossy(line).escape_debug())
            }
            Error::Base64Decode(why) => format!("a section is not base64: {why}"),
            other => other.to_string(),
        };
        Self { path: path.into(), reason }
    }

    /// Returns the file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Display for PemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.reason)
    }
}

impl std::error::Error for PemError {}

impl TlsOptions {
    /// Reads the certificates of a PEM file, such as for `extra_roots`; blocks meanwhile.
    ///
    /// # Errors
    /// Names the file, and says why it cannot be read or holds no certificate.
    pub fn read_ca_file(path: impl AsRef<Path>) -> Result<Vec<CertificateDer<'static>>, PemError> {
        certificates(path.as_ref())
    }
}

impl ClientIdentity {
    /// Reads the certificates and the key of a client from PEM files, which may be one; blocks meanwhile.
    ///
    /// # Errors
    /// Names the file, and says why it cannot be read or what it lacks.
    pub fn read(certificate: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self, PemError> {
        let chain = certificates(certificate.as_ref())?;
        let path = key.as_ref();
        let key =
            PrivateKeyDer::from_pem_file(path).map_err(|error| PemError::new(path, &error, "private key"))?;
        Ok(Self { chain, key })
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let fault = |error: &Error| PemError::new(path, error, "certificate");
    let found = CertificateDer::pem_file_iter(path).map_err(|error| fault(&error))?;
    let found: Vec<_> = found.collect::<Result<_, _>>().map_err(|error| fault(&error))?;
    if found.is_empty() { Err(fault(&Error::NoItemsFound)) } else { Ok(found) }
}
