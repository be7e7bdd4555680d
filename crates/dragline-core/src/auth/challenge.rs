//! Reads the challenges of `WWW-Authenticate` fields, whose commas part parameters and challenges alike.

use crate::headers::Headers;

/// Challenges of one response; more are not looked at.
const CHALLENGES_MAX: usize = 16;

/// Parameters of one challenge; more are not looked at.
const PARAMETERS_MAX: usize = 32;

/// One way in which a server lets itself be convinced.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Challenge {
    scheme: String,
    parameters: Vec<(String, String)>,
}

impl Challenge {
    /// Returns the challenges of a response in the order received: at most 16, with at most 32 parameters each.
    ///
    /// Octets that are no UTF-8 become U+FFFD, so that they do no harm to the challenges beside theirs.
    pub(super) fn of(headers: &Headers) -> Vec<Self> {
        let mut challenges = Vec::new();
        for field in headers.get_all("www-authenticate") {
            Self::parse(&String::from_utf8_lossy(field), &mut challenges);
        }
        challenges
    }

    /// Adds the challenges of one field value to `challenges`. What fits no rule is skipped.
    ///
    /// An `Authorization` field has the same form and may be read so, too.
    ///
    /// # Source
    /// RFC 9110 sections 11.3, 11.4 and 11.6.1.
    pub(super) fn parse(text: &str, challenges: &mut Vec<Self>) {
        let mut scanner = Scanner { rest: text };
        let before = challenges.len();
        loop {
            scanner.rest = scanner.rest.trim_start_matches([',', ' ', '\t']);
            if scanner.rest.is_empty() {
                return;
            }
            let word = scanner.token();
            if word.is_empty() {
                scanner.skip_junk();
            } else if scanner.equals_sign() {
                let Some(value) = scanner.value() else { return };
                let current = challenges.get_mut(before..).and_then(<[Self]>::last_mut);
                if let Some(challenge) = current.filter(|of| of.parameters.len() < PARAMETERS_MAX) {
                    challenge.parameters.push((word.into(), value));
                }
            } else if challenges.len() == CHALLENGES_MAX {
                return;
            } else {
                challenges.push(Self { scheme: word.into(), parameters: Vec::new() });
                scanner.skip_token68();
            }
        }
    }

    /// Whether it is of a scheme; case does not matter.
    pub(super) fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    /// Returns the value of a parameter, the first when there are several; case of the name does not matter.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// What is left of a field.
struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    /// Takes the longest run of what `belongs`.
    fn take(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|letter| !belongs(letter)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    /// Takes a token (RFC 9110 section 5.6.2); empty when none stands here.
    fn token(&mut self) -> &'a str {
        self.take(|letter| letter.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(letter))
    }

    /// Takes an equals sign and the spaces around it.
    fn equals_sign(&mut self) -> bool {
        let Some(rest) = self.rest.trim_start_matches([' ', '\t']).strip_prefix('=') else { return false };
        self.rest = rest.trim_start_matches([' ', '\t']);
        true
    }

    /// Takes the value of a parameter, unquoted; `None` when its quotes do not end.
    fn value(&mut self) -> Option<String> {
        if self.rest.starts_with('"') {
            return self.quoted();
        }
        // Servers leave away quotes where a token would not do, so all counts up to the next comma or space.
        Some(self.take(|letter| !matches!(letter, ',' | ' ' | '\t')).into())
    }

    fn quoted(&mut self) -> Option<String> {
        let mut value = String::new();
        let mut letters = self.rest.char_indices().skip(1);
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' => {
                    self.rest = self.rest.get(at + 1..).unwrap_or_default();
                    return Some(value);
                }
                '\\' => value.extend(letters.next().map(|(_, letter)| letter)),
                letter => value.push(letter),
            }
        }
        self.rest = "";
        None
    }

    /// Skips the credentials in one piece that some schemes have instead of parameters, when they stand here.
    fn skip_token68(&mut self) {
        let mut ahead = Self { rest: self.rest.trim_start_matches([' ', '\t']) };
        let is_token68 = |letter: char| letter.is_ascii_alphanumeric() || "-._~+/".contains(letter);
        let len = ahead.take(is_token68).len();
        ahead.take(|letter| letter == '=');
        let after = ahead.rest.trim_start_matches([' ', '\t']);
        if len > 0 && (after.is_empty() || after.starts_with(',')) {
            self.rest = after;
        }
    }

    /// Skips a quoted string, or else all up to the next comma.
    fn skip_junk(&mut self) {
        if self.rest.starts_with('"') {
            self.quoted();
        } else {
            self.take(|letter| letter != ',');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks the challenges of one field, each written as `scheme name=value|name=value`.
    fn check(field: &str, expected: &[&str]) {
        let mut challenges = Vec::new();
        Challenge::parse(field, &mut challenges);
        let found: Vec<_> = challenges.iter().map(written).collect();
        assert_eq!(found, expected, "{field}");
    }

    fn written(challenge: &Challenge) -> String {
        let pairs: Vec<_> =
            challenge.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{} {}", challenge.scheme, pairs.join("|")).trim_end().to_owned()
    }

    #[test]
    fn commas_part_parameters_and_challenges() {
        check("Basic", &["Basic"]);
        check(r#"Basic realm="a""#, &["Basic realm=a"]);
        // The example of RFC 9110 section 11.6.1.
        check(
            r#"Basic realm="simple", Newauth realm="apps", type=1, title="Login to \"apps\"""#,
            &["Basic realm=simple", r#"Newauth realm=apps|type=1|title=Login to "apps""#],
        );
        check("Negotiate, NTLM, Basic realm=a", &["Negotiate", "NTLM", "Basic realm=a"]);
        check(r#"Digest realm="a, Basic b=c", nonce="x=,""#, &["Digest realm=a, Basic b=c|nonce=x=,"]);
        check("Digest realm = \"a\" ,\tnonce\t=\tb", &["Digest realm=a|nonce=b"]);
        check(",, ,Basic realm=a,,, , x=y,", &["Basic realm=a|x=y"]);
        check(r#"Digest realm="a" nonce="b""#, &["Digest realm=a|nonce=b"]);
    }

    #[test]
    fn credentials_in_one_piece_are_no_parameters() {
        check("Negotiate abc/+-._~=", &["Negotiate"]);
        check("Negotiate YWJj==, Digest nonce=b", &["Negotiate", "Digest nonce=b"]);
        check("NTLM TlRMTVNTUAAC , Basic realm=a", &["NTLM", "Basic realm=a"]);
        check("A b=c, D e", &["A b=c", "D"]);
    }

    #[test]
    fn what_fits_no_rule_is_skipped() {
        check("", &[]);
        check(" ,, ", &[]);
        check("realm=a, Basic realm=b", &["Basic realm=b"]);
        check("=a, (b) x=y, Basic realm=c", &["Basic realm=c"]);
        check(r#""quoted, Digest x=y", Basic realm=c"#, &["Basic realm=c"]);
        check(r#"Basic realm="never ends, Digest nonce=x"#, &["Basic"]);
        check(r#"Basic realm="ends in an escape\"#, &["Basic"]);
        check(
            "Basic realm=\u{fc}, \u{fc}x=y, Digest nonce=\u{20ac}",
            &["Basic realm=\u{fc}", "Digest nonce=\u{20ac}"],
        );
        check("Digest uri=/a?b=c, opaque=, qop=auth", &["Digest uri=/a?b=c|opaque=|qop=auth"]);
    }

    #[test]
    fn all_fields_count_and_names_have_no_case() {
        let headers = Headers::from_pairs([
            ("WWW-Authenticate", "Basic realm=a"),
            ("Other", "Basic realm=b"),
            ("www-authenticate", "x=stray, DIGEST Realm=\"c\", REALM=d"),
        ]);
        let challenges = Challenge::of(&headers);
        let [basic, digest] = challenges.as_slice() else { panic!("{challenges:?}") };
        assert!(basic.is("basic") && digest.is("Digest"));
        assert_eq!((basic.get("realm"), digest.get("realm")), (Some("a"), Some("c")));
        assert_eq!((basic.get("x"), digest.get("x")), (None, None));
    }

    #[test]
    fn a_flood_is_cut() {
        let mut challenges = Vec::new();
        Challenge::parse(&"a, ".repeat(1_000), &mut challenges);
        assert_eq!(challenges.len(), CHALLENGES_MAX);
        let mut challenges = Vec::new();
        Challenge::parse(&format!("a {}", "b=c, ".repeat(1_000)), &mut challenges);
        assert_eq!((challenges.len(), challenges[0].parameters.len()), (1, PARAMETERS_MAX));
    }
}
