//! Writes a response down in one line of a table: its bytes with names for what differs, and what may be said of it.

use bytes::Bytes;
use dragline_core::Outcome;

use super::act::Act;
use super::behaviour::Sent;

/// Bytes of the body that most behaviours send; it holds the behaviour's name, so that no answer passes for another.
pub(super) const BODY_BYTES: usize = 64;

pub(super) const OK: &[Outcome] = &[Outcome::Ok];
pub(super) const REFUSED: &[Outcome] = &[Outcome::ProtocolError];
pub(super) const OK_OR_REFUSED: &[Outcome] = &[Outcome::Ok, Outcome::ProtocolError];
pub(super) const CUT: &[Outcome] = &[Outcome::Incomplete];
pub(super) const CUT_OR_REFUSED: &[Outcome] = &[Outcome::Incomplete, Outcome::ProtocolError];
pub(super) const CUT_OR_UNREACHABLE: &[Outcome] = &[Outcome::Incomplete, Outcome::ConnectError];
pub(super) const TOO_LARGE: &[Outcome] = &[Outcome::TooLarge];
pub(super) const LARGE_OR_REFUSED: &[Outcome] = &[Outcome::TooLarge, Outcome::ProtocolError];
pub(super) const OK_OR_LARGE: &[Outcome] = &[Outcome::Ok, Outcome::TooLarge];
pub(super) const LATE: &[Outcome] = &[Outcome::Timeout];
pub(super) const LATE_OR_REFUSED: &[Outcome] = &[Outcome::Timeout, Outcome::ProtocolError];
pub(super) const DAMAGED: &[Outcome] = &[Outcome::DecodeError];
pub(super) const DAMAGED_OR_LARGE: &[Outcome] = &[Outcome::DecodeError, Outcome::TooLarge];
pub(super) const HTTP_ERROR: &[Outcome] = &[Outcome::HttpError];
pub(super) const BAD_REDIRECT: &[Outcome] = &[Outcome::RedirectError];
pub(super) const BLOCKED: &[Outcome] = &[Outcome::Blocked];
pub(super) const BLOCKED_OR_INVALID: &[Outcome] = &[Outcome::Blocked, Outcome::InvalidUrl];
pub(super) const NO_NAME: &[Outcome] = &[Outcome::DnsError];
pub(super) const NO_NAME_OR_LATE: &[Outcome] = &[Outcome::DnsError, Outcome::Timeout];
pub(super) const INVALID: &[Outcome] = &[Outcome::InvalidUrl];
pub(super) const OK_OR_INVALID: &[Outcome] = &[Outcome::Ok, Outcome::InvalidUrl];
pub(super) const TLS: &[Outcome] = &[Outcome::TlsError];
pub(super) const TLS_OR_GONE: &[Outcome] = &[Outcome::TlsError, Outcome::ConnectError, Outcome::Incomplete];

/// Which body an honest client reports when it says `ok`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Body {
    /// The 64 bytes.
    Whole,
    /// Its first 20 bytes.
    Head,
    /// None.
    Empty,
    /// None, or the 64 bytes.
    EmptyOrWhole,
    /// These bytes.
    Text(&'static str),
    /// Its end never came.
    Never,
}

/// What the server does after its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Then {
    /// Waits for the next request.
    Keep,
    /// Closes as the protocol wants it.
    Close,
    /// Closes without a word of TLS.
    Cut,
    /// Resets.
    Reset,
    /// Says nothing more.
    Hang,
}

/// One response.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) accepted: &'static [Outcome],
    pub(super) statuses: &'static [u16],
    pub(super) sent: Body,
    pub(super) raw: &'static str,
    pub(super) then: Then,
}

/// Makes a row whose response, if it has one, has the status 200.
pub(super) const fn row(
    name: &'static str,
    accepted: &'static [Outcome],
    sent: Body,
    raw: &'static str,
    then: Then,
) -> Row {
    Row { name, accepted, statuses: &[200], sent, raw, then }
}

impl Row {
    pub(super) const fn status(mut self, statuses: &'static [u16]) -> Self {
        self.statuses = statuses;
        self
    }

    /// Returns what is done on the connection.
    pub(super) fn acts(&self, body: &str, words: &[(&str, String)]) -> Vec<Act> {
        vec![Act::send(expand(self.raw, body, words)), self.then.act()]
    }

    /// Returns what an honest client reports.
    pub(super) fn sent(&self, body: &str) -> Sent {
        match self.sent {
            Body::Whole => Sent::Whole(Bytes::from(body.to_owned())),
            Body::Head => Sent::Whole(Bytes::from(body.get(..20).unwrap_or_default().to_owned())),
            Body::Empty => Sent::Whole(Bytes::new()),
            Body::EmptyOrWhole => Sent::OneOf(vec![Bytes::new(), Bytes::from(body.to_owned())]),
            Body::Text(text) => Sent::Whole(Bytes::from_static(text.as_bytes())),
            Body::Never => Sent::Never,
        }
    }
}

impl Then {
    pub(super) fn act(self) -> Act {
        match self {
            Self::Keep => Act::Send(Bytes::new()),
            Self::Close => Act::Close,
            Self::Cut => Act::Cut,
            Self::Reset => Act::Reset,
            Self::Hang => Act::Hang,
        }
    }
}

/// Returns the body of a behaviour: its name, filled up to 64 bytes.
pub(super) fn body_of(name: &str) -> String {
    let mut body = format!("{name:.<width$}", width = BODY_BYTES - 1);
    body.truncate(BODY_BYTES - 1);
    body.push('\n');
    body
}

/// Replaces the names in braces: `{body}` (64 bytes), `{head}` and `{tail}` (its first 20 and last 44 bytes),
/// `{200}` (a status line), `{length}` and `{chunked}` (a field that says so, and the end of the head), `{chunk}` (the
/// body as one chunk), `{x:N}` (the letter x, N times), `{octet:N}`, and `words`. Other braces stay.
pub(super) fn expand(raw: &str, body: &str, words: &[(&str, String)]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len() + BODY_BYTES);
    let mut rest = raw;
    while let Some((before, after)) = rest.split_once('{') {
        out.extend_from_slice(before.as_bytes());
        let named = after.split_once('}').and_then(|(name, after)| Some((value(name, body, words)?, after)));
        rest = if let Some((value, after)) = named {
            out.extend_from_slice(&value);
            after
        } else {
            out.push(b'{');
            after
        };
    }
    out.extend_from_slice(rest.as_bytes());
    out
}

fn value(name: &str, body: &str, words: &[(&str, String)]) -> Option<Vec<u8>> {
    let text = match name {
        "body" => body,
        "head" => body.get(..20)?,
        "tail" => body.get(20..)?,
        "200" => "HTTP/1.1 200 OK\r\n",
        "length" => "Content-Length: 64\r\n\r\n",
        "chunked" => "Transfer-Encoding: chunked\r\n\r\n",
        "chunk" => return Some(format!("40\r\n{body}\r\n").into_bytes()),
        _ => {
            if let Some((letter, count)) = name.rsplit_once(':') {
                let count: usize = count.parse().ok()?;
                return match letter {
                    "octet" => Some(vec![u8::try_from(count).ok()?]),
                    letter => Some(letter.repeat(count).into_bytes()),
                };
            }
            words.iter().find(|(word, _)| *word == name).map(|(_, value)| value.as_str())?
        }
    };
    Some(text.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_braces_are_replaced() {
        let body = body_of("a/b");
        assert_eq!(body.len(), BODY_BYTES);
        let check = |raw: &str, expected: &[u8]| {
            assert_eq!(expand(raw, &body, &[("origin", "http://a".into())]), expected, "{raw}");
        };
        check("{origin}/{x:3}{octet:233}", b"http://a/xxx\xe9");
        check("{unknown} {", b"{unknown} {");
        check("{head}{tail}", body.as_bytes());
        check("{ab:2}", b"abab");
    }
}
