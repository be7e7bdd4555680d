//! Puts TLS errors into the words of an operator.

use std::io;

use rustls::{AlertDescription, CertificateError, Error};

/// Says what is wrong with a handshake.
pub(crate) fn describe(error: &Error) -> String {
    let Error::InvalidCertificate(certificate) = error else {
        return error.to_string();
    };
    match certificate {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the certificate has expired".into()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the certificate is not valid yet".into()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the certificate is for another host".into()
        }
        CertificateError::UnknownIssuer => "the certificate's issuer is unknown".into(),
        // A self-signed certificate of an authority, used as a server's own: what `openssl req -x509` makes.
        CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            "the certificate's issuer is unknown (it is self-signed)".into()
        }
        other => other.to_string(),
    }
}

/// Says by which alert a server ended a connection, when it did so for who we are.
///
/// In TLS 1.3 a server judges the client's certificate after the client thinks the handshake done.
pub(crate) fn alert(error: &io::Error) -> Option<&'static str> {
    let Error::AlertReceived(alert) = error.get_ref()?.downcast_ref::<Error>()? else { return None };
    match alert {
        AlertDescription::CertificateRequired => Some("tls failed: the server wants a client certificate"),
        AlertDescription::AccessDenied => Some("tls failed: the server denies access"),
        AlertDescription::BadCertificate
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateUnknown
        | AlertDescription::DecryptError
        | AlertDescription::UnknownCA
        | AlertDescription::UnsupportedCertificate => {
            Some("tls failed: the server refuses the client certificate")
        }
        AlertDescription::HandshakeFailure => Some("tls failed: the server refuses the handshake"),
        _ => None,
    }
}
