//! Answers a Digest challenge: proves that the password is known without sending it.

use md5::Md5;
use sha2::{Digest, Sha256, Sha512_256};

use super::challenge::Challenge;

/// Bytes of realm, nonce and opaque together; they are kept and sent back with every request.
const CHALLENGE_BYTES_MAX: usize = 4_096;

/// A Digest challenge that can be answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DigestChallenge {
    /// What the password is for, in the server's words.
    pub(super) realm: Box<str>,
    /// The server's number.
    pub(super) nonce: Box<str>,
    /// Whether our last answer was refused for its age alone.
    pub(super) stale: bool,
    opaque: Option<Box<str>>,
    hash: Hash,
    /// How the server called the hash; it is not named when the server did not.
    algorithm: Option<&'static str>,
    /// Whether the password is hashed with the first nonces of a session (`-sess`).
    pub(super) session: bool,
    /// Whether answers are counted (`qop=auth`); without, they are those of RFC 2069.
    counted: bool,
    utf8: bool,
    userhash: bool,
}

/// What an answer is for.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    /// The user.
    pub(super) user: &'a str,
    /// The password.
    pub(super) password: &'a str,
    /// The method, as sent.
    pub(super) method: &'a str,
    /// Path and query, as sent.
    pub(super) uri: &'a str,
    /// Our own number.
    pub(super) cnonce: &'a str,
    /// How many answers this nonce has had, this one included.
    pub(super) count: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hash {
    Md5,
    Sha256,
    Sha512_256,
}

/// The algorithms by name, with whether they are those of a session (RFC 7616 section 6.1).
const ALGORITHMS: [(&str, Hash, bool); 6] = [
    ("MD5", Hash::Md5, false),
    ("MD5-sess", Hash::Md5, true),
    ("SHA-256", Hash::Sha256, false),
    ("SHA-256-sess", Hash::Sha256, true),
    ("SHA-512-256", Hash::Sha512_256, false),
    ("SHA-512-256-sess", Hash::Sha512_256, true),
];

impl DigestChallenge {
    /// Takes a challenge that can be answered; `None` for another scheme, an unknown algorithm, `auth-int` alone, or
    /// values that cannot be sent back.
    ///
    /// # Source
    /// RFC 7616 section 3.3.
    pub(super) fn of(challenge: &Challenge) -> Option<Self> {
        if !challenge.is("digest") {
            return None;
        }
        let (realm, nonce) = (challenge.get("realm")?, challenge.get("nonce")?);
        let opaque = challenge.get("opaque");
        let can_return =
            |text: &str| !text.contains(|letter: char| letter.is_control() || letter == '\u{fffd}');
        let bytes = realm.len() + nonce.len() + opaque.map_or(0, str::len);
        if bytes > CHALLENGE_BYTES_MAX
            || ![realm, nonce, opaque.unwrap_or_default()].into_iter().all(can_return)
        {
            return None;
        }
        let (algorithm, hash, session) = match challenge.get("algorithm") {
            None => (None, Hash::Md5, false),
            Some(name) => {
                let known = ALGORITHMS.iter().find(|(known, _, _)| known.eq_ignore_ascii_case(name));
                known.map(|(name, hash, session)| (Some(*name), *hash, *session))?
            }
        };
        let counted = match challenge.get("qop") {
            None | Some("") => false,
            Some(qop) => {
                let mut offers = qop.split(',').map(str::trim);
                offers.any(|offer| offer.eq_ignore_ascii_case("auth")).then_some(true)?
            }
        };
        // Without qop our number is not sent, and without it the server could not compute the key of a session.
        if session && !counted {
            return None;
        }
        let says =
            |name, word: &str| challenge.get(name).is_some_and(|value| value.eq_ignore_ascii_case(word));
        Some(Self {
            realm: realm.into(),
            nonce: nonce.into(),
            stale: says("stale", "true"),
            opaque: opaque.map(Into::into),
            hash,
            algorithm,
            session,
            counted,
            utf8: says("charset", "utf-8"),
            userhash: says("userhash", "true"),
        })
    }

    /// Returns the `Authorization` field that answers this challenge.
    ///
    /// # Source
    /// RFC 7616 section 3.4; without qop RFC 2617 section 3.2.2.1.
    pub(super) fn answer(&self, question: Question<'_>) -> String {
        let Question { user, password, method, uri, cnonce, count } = question;
        let nonce = &self.nonce;
        let mut key = self.hash.of(&format!("{user}:{}:{password}", self.realm));
        if self.session {
            key = self.hash.of(&format!("{key}:{nonce}:{cnonce}"));
        }
        let what = self.hash.of(&format!("{method}:{uri}"));
        let response = if self.counted {
            self.hash.of(&format!("{key}:{nonce}:{count:08x}:{cnonce}:auth:{what}"))
        } else {
            self.hash.of(&format!("{key}:{nonce}:{what}"))
        };
        let mut field = format!("Digest {}", self.user_parameter(user));
        let mut add = |name: &str, value: &str| {
            field.push_str(", ");
            field.push_str(name);
            field.push('=');
            field.push_str(value);
        };
        add("realm", &quoted(&self.realm));
        add("nonce", &quoted(nonce));
        add("uri", &quoted(uri));
        if let Some(algorithm) = self.algorithm {
            add("algorithm", algorithm);
        }
        add("response", &quoted(&response));
        if self.counted {
            add("qop", "auth");
            add("nc", &format!("{count:08x}"));
            add("cnonce", &quoted(cnonce));
        }
        if let Some(opaque) = &self.opaque {
            add("opaque", &quoted(opaque));
        }
        if self.userhash {
            add("userhash", "true");
        }
        field
    }

    /// Returns the parameter that names the user: hashed, as it is, or for servers that know UTF-8 in its own notation.
    ///
    /// # Source
    /// RFC 7616 section 3.4.4; the notation: RFC 8187 section 3.2.
    fn user_parameter(&self, user: &str) -> String {
        if self.userhash {
            format!("username=\"{}\"", self.hash.of(&format!("{user}:{}", self.realm)))
        } else if self.utf8 && !user.is_ascii() {
            let mut text = "username*=UTF-8''".to_owned();
            for octet in user.bytes() {
                if octet.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&octet) {
                    text.push(char::from(octet));
                } else {
                    text.push_str(&format!("%{octet:02X}"));
                }
            }
            text
        } else {
            format!("username={}", quoted(user))
        }
    }
}

impl Hash {
    /// Returns the hash of a text in lower-case hexadecimal digits.
    fn of(self, text: &str) -> String {
        match self {
            Self::Md5 => hexadecimal(&Md5::digest(text)),
            Self::Sha256 => hexadecimal(&Sha256::digest(text)),
            Self::Sha512_256 => hexadecimal(&Sha512_256::digest(text)),
        }
    }
}

fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Returns a text as a quoted string (RFC 9110 section 5.6.4).
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge(field: &str) -> Option<DigestChallenge> {
        let mut challenges = Vec::new();
        Challenge::parse(field, &mut challenges);
        challenges.iter().find_map(DigestChallenge::of)
    }

    const MUFASA: Question<'_> = Question {
        user: "Mufasa",
        password: "Circle of Life",
        method: "GET",
        uri: "/dir/index.html",
        cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        count: 1,
    };

    /// Checks the parameters of an answer that are worth telling, or that there is none.
    fn check(field: &str, question: Question<'_>, expected: Option<&[(&str, &str)]>) {
        let Some(challenge) = challenge(field) else { return assert_eq!(None, expected, "{field}") };
        let answer = challenge.answer(question);
        let mut parsed = Vec::new();
        Challenge::parse(&answer, &mut parsed);
        let [parsed] = parsed.as_slice() else { panic!("{answer}") };
        assert!(parsed.is("digest"), "{answer}");
        for (name, value) in expected.expect("no answer") {
            assert_eq!(parsed.get(name).unwrap_or("-"), *value, "{name} of {answer} to {field}");
        }
    }

    const REALM: &str =
        "realm=\"http-auth@example.org\", nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\"";

    #[test]
    fn the_examples_of_rfc_7616_section_3_9_1_are_answered() {
        let check = |algorithm: &str, response: &str| {
            let field = format!(
                "Digest {REALM}, qop=\"auth, auth-int\", algorithm={algorithm}, \
                opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
            );
            let expected = [
                ("response", response),
                ("algorithm", algorithm),
                ("username", "Mufasa"),
                ("uri", "/dir/index.html"),
                ("qop", "auth"),
                ("nc", "00000001"),
                ("cnonce", MUFASA.cnonce),
                ("opaque", "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"),
                ("userhash", "-"),
            ];
            check(&field, MUFASA, Some(&expected));
        };
        check("MD5", "8ca523f5e9506fed4657c9700eebdbec");
        check("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1");
        // Not of the RFC: computed with Python's hashlib.
        check("SHA-256-sess", "2fd51b3a77ad75bad6afad6003e818d767133c46d9e2749e7f5232ae1ea3efd7");
    }

    #[test]
    fn the_example_of_rfc_7616_section_3_9_2_is_answered_as_its_erratum_4897_says() {
        let user = "J\u{e4}s\u{f8}n Doe";
        let cnonce = "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v";
        let question =
            Question { user, password: "Secret, or not?", uri: "/doe.json", cnonce, method: "GET", count: 1 };
        let check = |more: &str, name: &str, value: &str| {
            let field = format!(
                "Digest realm=\"api@example.org\", qop=\"auth\", algorithm=SHA-512-256, \
                nonce=\"5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK\"{more}"
            );
            let response = "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5";
            check(&field, question, Some(&[("response", response), (name, value)]));
        };
        let hashed = "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b";
        check(", charset=UTF-8, userhash=true", "username", hashed);
        check(", charset=UTF-8, userhash=true", "userhash", "true");
        check(", charset=UTF-8, userhash=false", "username*", "UTF-8''J%C3%A4s%C3%B8n%20Doe");
        check("", "username", user);
    }

    #[test]
    fn the_example_of_rfc_2617_and_its_variants_are_answered() {
        let question = Question { password: "Circle Of Life", cnonce: "0a4f113b", ..MUFASA };
        let check = |more: &str, response: &str, count: &str, algorithm: &str| {
            let field = format!(
                "Digest realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"{more}"
            );
            let expected = [("response", response), ("nc", count), ("algorithm", algorithm)];
            check(&field, question, Some(&expected));
        };
        check(", qop=\"auth,auth-int\"", "6629fae49393a05397450978507c4ef1", "00000001", "-");
        // Computed with Python's hashlib: the RFCs have no examples of these.
        check("", "670fd8c2df070c60b045671b8b24ff02", "-", "-");
        check(", qop=\"\"", "670fd8c2df070c60b045671b8b24ff02", "-", "-");
        let session = ", qop=auth, algorithm=md5-SESS";
        check(session, "8e3825c57e897f5a0dec6c2d4e5059d0", "00000001", "MD5-sess");
    }

    #[test]
    fn what_cannot_be_answered_is_left() {
        let check = |field: &str| check(field, MUFASA, None);
        check("Basic realm=a, nonce=b");
        check("Digest realm=a");
        check("Digest nonce=a");
        check("Digest realm=a, nonce=b, algorithm=SHA-1");
        check("Digest realm=a, nonce=b, qop=auth-int");
        check("Digest realm=a, nonce=b, qop=\"auth-conf, auth-int\"");
        check("Digest realm=a, nonce=b, algorithm=MD5-sess");
        check("Digest realm=\"a\u{fffd}\", nonce=b");
        check("Digest realm=\"a\u{1}\", nonce=b");
        check(&format!("Digest realm=a, nonce={}", "b".repeat(CHALLENGE_BYTES_MAX)));
    }

    #[test]
    fn quotes_are_escaped_and_counts_are_hexadecimal() {
        let question = Question { user: "a\"b\\c", uri: "/?q=\\", count: 0xabc, ..MUFASA };
        let field = "Digest realm=\"say \\\"please\\\"\", nonce=\"\\\\\", qop=auth";
        let expected = [
            ("username", "a\"b\\c"),
            ("realm", "say \"please\""),
            ("nonce", "\\"),
            ("uri", "/?q=\\"),
            ("nc", "00000abc"),
        ];
        check(field, question, Some(&expected));
        let answer = challenge(field).unwrap().answer(question);
        assert!(answer.contains(r#"realm="say \"please\"", nonce="\\""#), "{answer}");
    }
}
