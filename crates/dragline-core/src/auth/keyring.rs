//! Keeps credentials by origin, and what their servers last asked.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use super::challenge::Challenge;
use super::digest::{DigestChallenge, Question};
use super::{Credentials, Secret};
use crate::headers::Headers;
use crate::url::{CanonicalUrl, Origin};

/// The credentials of a crawl or a session, each for one origin (scheme, host and port); shared between threads.
///
/// One challenge of at most 4 KiB is kept for each origin that has credentials for Digest, nothing for others.
pub struct Keyring {
    keys: BTreeMap<Origin, Key>,
}

/// The credentials of one origin.
enum Key {
    /// Sent with every request.
    Unasked(Secret),
    /// Sent as an answer to what was asked last.
    Asked { user: String, password: Secret, asked: Mutex<Option<Asked>> },
}

/// The challenge an origin gave last, and how often it was answered.
struct Asked {
    challenge: DigestChallenge,
    /// Answers so far.
    count: u32,
    /// Our number of the first answer: that of a whole session has one.
    first_cnonce: Option<Box<str>>,
}

impl Keyring {
    /// Makes a keyring. Of several credentials for one origin the first counts.
    ///
    /// Those that [`Credentials::check`] refuses are never sent: ask it first.
    pub fn new(credentials: Vec<(Origin, Credentials)>) -> Self {
        let mut keys = BTreeMap::new();
        for (mut origin, credentials) in credentials {
            if credentials.check().is_err() {
                continue;
            }
            origin.host = origin.host.to_ascii_lowercase().into();
            let key = match (credentials.unasked(), credentials) {
                (Some(field), _) => Key::Unasked(field),
                (None, Credentials::Digest { user, password }) => {
                    Key::Asked { user, password, asked: Mutex::default() }
                }
                (None, Credentials::Basic { .. } | Credentials::Bearer { .. }) => continue,
            };
            keys.entry(origin).or_insert(key);
        }
        Self { keys }
    }

    /// Whether no origin has credentials.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Returns the `Authorization` field for a request: a secret.
    ///
    /// Basic and Bearer are sent at once, Digest only when the origin has asked ([`Keyring::learn`]). `method` is as sent,
    /// `cnonce` is fresh chance that nobody can foretell. Each call counts as one answer: call it once per request sent.
    pub fn authorization(&self, url: &CanonicalUrl, method: &str, cnonce: u64) -> Option<String> {
        match self.key(url)? {
            Key::Unasked(field) => Some(field.expose().to_owned()),
            Key::Asked { user, password, asked } => {
                let mut asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
                let Asked { challenge, count, first_cnonce } = asked.as_mut()?;
                // A nonce with no number left is forgotten; the next answer waits for another.
                let Some(next) = count.checked_add(1) else {
                    *asked = None;
                    return None;
                };
                *count = next;
                let fresh = format!("{cnonce:016x}").into_boxed_str();
                // Servers disagree whether a session's key is of the first answer or of each: with one number both hold.
                let cnonce = if challenge.session { first_cnonce.get_or_insert(fresh) } else { &fresh };
                let (method, uri) = (method, url.path_and_query());
                let password = password.expose();
                Some(challenge.answer(Question { user, password, method, uri, cnonce, count: next }))
            }
        }
    }

    /// Takes the challenges of a 401 response to a request of `url` that carried `sent` as its `Authorization` field.
    ///
    /// Returns whether the request is worth sending again, once, with what [`Keyring::authorization`] then returns:
    /// that is when it carried no answer yet, when its answer was only too old (`stale`), or was meant for another
    /// realm. An answer that was refused means that user or password are wrong, and the 401 is the server's word. The
    /// newest challenge is kept in any case, since some servers never say `stale`.
    ///
    /// # Source
    /// RFC 7616 section 3.3 (`stale`) and 3.6.
    pub fn learn(&self, url: &CanonicalUrl, sent: Option<&str>, headers: &Headers) -> bool {
        let Some(Key::Asked { asked, .. }) = self.key(url) else { return false };
        // The order is the server's preference (RFC 7616 section 3.7).
        let Some(challenge) = Challenge::of(headers).iter().find_map(DigestChallenge::of) else {
            return false;
        };
        let refused = sent.and_then(answered_realm).is_some_and(|realm| *realm == *challenge.realm);
        let again = challenge.stale || !refused;
        let mut asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = asked.as_ref().is_some_and(|asked| asked.challenge.nonce == challenge.nonce);
        match asked.as_mut().filter(|_| is_known) {
            // The count goes on: an answer with a number that was used before would be a replay.
            Some(asked) => asked.challenge = challenge,
            None => *asked = Some(Asked { challenge, count: 0, first_cnonce: None }),
        }
        again
    }

    fn key(&self, url: &CanonicalUrl) -> Option<&Key> {
        if self.is_empty() { None } else { self.keys.get(&url.origin()) }
    }
}

/// Returns the realm that an `Authorization` field answers, when it is one of Digest.
fn answered_realm(sent: &str) -> Option<String> {
    let mut answers = Vec::new();
    Challenge::parse(sent, &mut answers);
    answers.iter().find(|answer| answer.is("digest"))?.get("realm").map(str::to_owned)
}

/// Prints the origins, nothing else.
impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.keys.keys().map(ToString::to_string)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> CanonicalUrl {
        CanonicalUrl::parse(text).unwrap()
    }

    fn digest() -> Credentials {
        Credentials::Digest { user: "me".into(), password: Secret::new("pw") }
    }

    fn bearer(token: &str) -> Credentials {
        Credentials::Bearer { token: Secret::new(token) }
    }

    fn keyring(credentials: impl IntoIterator<Item = (&'static str, Credentials)>) -> Keyring {
        Keyring::new(credentials.into_iter().map(|(text, key)| (url(text).origin(), key)).collect())
    }

    fn learn(ring: &Keyring, sent: Option<&str>, challenge: &str) -> bool {
        ring.learn(&url("http://a.org/"), sent, &Headers::from_pairs([("WWW-Authenticate", challenge)]))
    }

    fn answer(ring: &Keyring, cnonce: u64) -> String {
        ring.authorization(&url("http://a.org/x?y"), "GET", cnonce).unwrap_or_default()
    }

    /// Checks that a field has all of these parameters.
    fn check(field: &str, expected: &[&str]) {
        for parameter in expected {
            assert!(field.contains(parameter), "{parameter} in {field}");
        }
    }

    #[test]
    fn credentials_go_to_their_origin_alone() {
        let basic = Credentials::Basic { user: "me".into(), password: Secret::new("pw") };
        let ring = keyring([
            ("https://a.org", basic),
            ("http://b.org:81", bearer("t")),
            ("https://a.org", bearer("u")),
        ]);
        let check = |to: &str, expected: Option<&str>| {
            assert_eq!(ring.authorization(&url(to), "GET", 0).as_deref(), expected, "{to}");
        };
        check("https://a.org/x", Some("Basic bWU6cHc="));
        check("https://a.org:443/x", Some("Basic bWU6cHc="));
        check("http://b.org:81/", Some("Bearer t"));
        for other in
            ["http://a.org/", "https://a.org:444/", "https://www.a.org/", "https://a.org./", "http://b.org/"]
        {
            check(other, None);
        }
        assert!(!ring.learn(
            &url("https://a.org/"),
            None,
            &Headers::from_pairs([("WWW-Authenticate", "Digest realm=a, nonce=b")])
        ));
    }

    #[test]
    fn a_host_is_found_in_any_case() {
        let mut origin = url("http://a.org/").origin();
        origin.host = "A.Org".into();
        let ring = Keyring::new(vec![(origin, bearer("t"))]);
        assert_eq!(answer(&ring, 0), "Bearer t");
    }

    #[test]
    fn what_cannot_be_sent_is_not() {
        let ring = keyring([("http://a.org", bearer("a\r\nX: y"))]);
        assert!(ring.is_empty());
        assert_eq!(answer(&ring, 0), "");
    }

    #[test]
    fn digest_waits_until_it_is_asked_and_then_counts() {
        let ring = keyring([("http://a.org", digest())]);
        assert_eq!(answer(&ring, 1), "");
        assert!(!learn(&ring, None, "Basic realm=a"));
        assert!(learn(&ring, None, "Basic realm=a, Digest realm=a, nonce=n1, qop=auth"));
        check(
            &answer(&ring, 0x1f),
            &["nonce=\"n1\"", "nc=00000001", "cnonce=\"000000000000001f\"", "uri=\"/x?y\""],
        );
        check(&answer(&ring, 2), &["nonce=\"n1\"", "nc=00000002", "cnonce=\"0000000000000002\""]);
        // Another request, sent before the first was answered, gets the same challenge: numbers are not used again.
        assert!(learn(&ring, None, "Digest realm=a, nonce=n1, qop=auth"));
        check(&answer(&ring, 3), &["nonce=\"n1\"", "nc=00000003"]);
        assert!(learn(&ring, None, "Digest realm=a, nonce=n2, qop=auth"));
        check(&answer(&ring, 3), &["nonce=\"n2\"", "nc=00000001"]);
    }

    #[test]
    fn a_session_keeps_its_first_number() {
        let ring = keyring([("http://a.org", digest())]);
        assert!(learn(&ring, None, "Digest realm=a, nonce=n1, qop=auth, algorithm=MD5-sess"));
        check(&answer(&ring, 1), &["nc=00000001", "cnonce=\"0000000000000001\""]);
        check(&answer(&ring, 2), &["nc=00000002", "cnonce=\"0000000000000001\""]);
        assert!(learn(&ring, None, "Digest realm=a, nonce=n2, qop=auth, algorithm=MD5-sess"));
        check(&answer(&ring, 3), &["nc=00000001", "cnonce=\"0000000000000003\""]);
    }

    #[test]
    fn a_refused_answer_is_not_sent_again() {
        let ring = keyring([("http://a.org", digest())]);
        assert!(learn(&ring, None, "Digest realm=a, nonce=n1, qop=auth"));
        let sent = answer(&ring, 1);
        assert!(!learn(&ring, Some(&sent), "Digest realm=a, nonce=n1, qop=auth"));
        assert!(!learn(&ring, Some(&sent), "Digest realm=a, nonce=n2, qop=auth, stale=false"));
        // The next request takes the newest nonce all the same.
        check(&answer(&ring, 1), &["nonce=\"n2\"", "nc=00000001"]);
        assert!(learn(&ring, Some(&sent), "Digest realm=a, nonce=n3, qop=auth, stale=TRUE"));
        assert!(learn(&ring, Some(&sent), "Digest realm=b, nonce=n4, qop=auth"));
        assert!(learn(&ring, Some("Basic abc="), "Digest realm=a, nonce=n5, qop=auth"));
        assert!(!learn(&ring, Some(&sent), "Basic realm=a"));
        check(&answer(&ring, 1), &["nonce=\"n5\"", "realm=\"a\""]);
    }

    #[test]
    fn a_nonce_that_is_used_up_is_forgotten() {
        let ring = keyring([("http://a.org", digest())]);
        assert!(learn(&ring, None, "Digest realm=a, nonce=n1, qop=auth"));
        let Some(Key::Asked { asked, .. }) = ring.key(&url("http://a.org/")) else { panic!("no key") };
        asked.lock().unwrap().as_mut().unwrap().count = u32::MAX - 1;
        check(&answer(&ring, 1), &["nc=ffffffff"]);
        assert_eq!(answer(&ring, 1), "");
        assert!(learn(&ring, None, "Digest realm=a, nonce=n1, qop=auth"));
    }

    #[test]
    fn nothing_secret_is_printed() {
        let ring = keyring([("http://a.org", digest()), ("https://b.org:81", bearer("token"))]);
        assert_eq!(format!("{ring:?}"), r#"{"http://a.org", "https://b.org:81"}"#);
    }
}
