//! Says who we are to an origin, and whether that can be said in a header field at all.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use url::Url;

use super::Secret;

/// Who we are to an origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// User and password in the clear, with every request (RFC 7617); as UTF-8.
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// User and a proof that the password is known, once the origin has asked (RFC 7616).
    Digest {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A token, with every request (RFC 6750).
    Bearer {
        /// The token.
        token: Secret,
    },
}

impl Credentials {
    /// Checks that these can be sent; a keyring never sends others.
    ///
    /// # Errors
    /// Says what to change: see [`CredentialsError`].
    pub fn check(&self) -> Result<(), CredentialsError> {
        let has_control = |text: &str| text.chars().any(char::is_control);
        match self {
            Self::Basic { user, .. } if user.contains(':') => Err(CredentialsError::ColonInUser),
            Self::Basic { user, password } | Self::Digest { user, password } => {
                let is_sendable = !has_control(user) && !has_control(password.expose());
                is_sendable.then_some(()).ok_or(CredentialsError::ControlCharacter)
            }
            Self::Bearer { token } => {
                let token = token.expose();
                let is_sendable = !token.is_empty() && token.bytes().all(|octet| octet.is_ascii_graphic());
                is_sendable.then_some(()).ok_or(CredentialsError::Token)
            }
        }
    }

    /// Returns the credentials that stand in a URL, when there are some that can be sent; `http://user:password@host/`
    /// is for Basic.
    pub fn in_url(text: &str) -> Option<Self> {
        // Most URLs have none, and reading one twice costs.
        let url = text.contains('@').then(|| Url::parse(text).ok()).flatten()?;
        let (user, password) = (decoded(url.username()), decoded(url.password().unwrap_or_default()));
        let credentials = Self::Basic { user, password: Secret::new(password) };
        let given = !url.username().is_empty() || url.password().is_some();
        credentials.check().ok().filter(|()| given)?;
        Some(credentials)
    }

    /// Returns the `Authorization` field that needs no challenge; `None` for those that do.
    pub(super) fn unasked(&self) -> Option<Secret> {
        match self {
            Self::Basic { user, password } => {
                let pair = STANDARD.encode(format!("{user}:{}", password.expose()));
                Some(Secret::new(format!("Basic {pair}")))
            }
            Self::Bearer { token } => Some(Secret::new(format!("Bearer {}", token.expose()))),
            Self::Digest { .. } => None,
        }
    }
}

/// Undoes percent-encoding; what is no UTF-8 then comes with replacement characters.
fn decoded(text: &str) -> String {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let pair = digit(bytes.get(at + 1)).zip(digit(bytes.get(at + 2)));
        match pair.filter(|_| *byte == b'%').and_then(|(high, low)| u8::try_from(high * 16 + low).ok()) {
            Some(octet) => {
                out.push(octet);
                at += 3;
            }
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Why credentials cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CredentialsError {
    /// The user of `basic` has a colon, which a server would take for the end of the name (RFC 7617 section 2). Ask
    /// the server's operator for another name.
    ColonInUser,
    /// User or password has a control character, such as a line break left over from a file (RFC 7617 section 2).
    ControlCharacter,
    /// The token is empty, or has a space or something else that is not visible ASCII (RFC 6750 section 2.1).
    Token,
}

impl fmt::Display for CredentialsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ColonInUser => "the user of basic authentication must not have a colon",
            Self::ControlCharacter => {
                "user and password must not have control characters, such as a line break"
            }
            Self::Token => "a bearer token is visible ASCII without spaces",
        })
    }
}

impl std::error::Error for CredentialsError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(user: &str, password: &str) -> Credentials {
        Credentials::Basic { user: user.into(), password: Secret::new(password) }
    }

    fn digest(user: &str, password: &str) -> Credentials {
        Credentials::Digest { user: user.into(), password: Secret::new(password) }
    }

    fn bearer(token: &str) -> Credentials {
        Credentials::Bearer { token: Secret::new(token) }
    }

    /// Checks the field sent unasked, or why the credentials cannot be sent.
    fn check(credentials: &Credentials, expected: Result<Option<&str>, CredentialsError>) {
        let found = credentials.check().map(|()| credentials.unasked());
        let found = found.as_ref().map(|field| field.as_ref().map(Secret::expose)).map_err(|error| *error);
        assert_eq!(found, expected, "{credentials:?}");
    }

    #[test]
    fn credentials_in_a_url_are_read_decoded() {
        let check = |text: &str, expected: Option<(&str, &str)>| {
            let found = match Credentials::in_url(text) {
                Some(Credentials::Basic { user, password }) => Some((user, password.expose().to_owned())),
                None => None,
                other => panic!("{other:?}"),
            };
            let expected = expected.map(|(user, password)| (user.to_owned(), password.to_owned()));
            assert_eq!(found, expected, "{text}");
        };
        check("http://a/", None);
        check("http://me@a/", Some(("me", "")));
        check("http://me:s3cret@a/", Some(("me", "s3cret")));
        check("http://m%65:%40%zz%@a/", Some(("me", "@%zz%")));
        check("http://m%3ae:x@a/", None);
        check("no @ url", None);
    }

    #[test]
    fn basic_and_bearer_are_sent_unasked() {
        // The examples of RFC 7617 sections 2 and 2.1, and of RFC 6750 section 2.1.
        check(&basic("Aladdin", "open sesame"), Ok(Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")));
        check(&basic("test", "123\u{a3}"), Ok(Some("Basic dGVzdDoxMjPCow==")));
        check(&basic("", "a:b"), Ok(Some("Basic OmE6Yg==")));
        check(&bearer("mF_9.B5f-4.1JqM"), Ok(Some("Bearer mF_9.B5f-4.1JqM")));
        check(&digest("a:b", "c"), Ok(None));
    }

    #[test]
    fn what_would_break_the_field_is_refused() {
        check(&basic("a:b", "c"), Err(CredentialsError::ColonInUser));
        check(&basic("a", "c\n"), Err(CredentialsError::ControlCharacter));
        check(&basic("a\u{0}", "c"), Err(CredentialsError::ControlCharacter));
        check(&digest("a\r\nX: y", "c"), Err(CredentialsError::ControlCharacter));
        check(&digest("a", "\u{7f}"), Err(CredentialsError::ControlCharacter));
        for token in ["", "a b", "a\n", "a\u{e9}"] {
            check(&bearer(token), Err(CredentialsError::Token));
        }
    }

    #[test]
    fn only_the_user_is_printed() {
        let printed = format!("{:?} {:?}", basic("me", "pw"), bearer("pw"));
        assert_eq!(printed, "Basic { user: \"me\", password: *** } Bearer { token: *** }");
    }
}
