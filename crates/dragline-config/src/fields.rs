//! Reads request fields as people write them, and says why one cannot be sent.

/// The longest value of a field.
const VALUE_BYTES_MAX: usize = 8 << 10;
/// The longest name of a field.
const NAME_BYTES_MAX: usize = 256;

/// Fields that cannot be given, each with why.
const REFUSED: [(&str, &str); 12] = [
    ("host", "it follows from the URL"),
    ("content-length", "it follows from the content"),
    ("transfer-encoding", "the transport frames the content"),
    ("connection", "the transport keeps connections"),
    ("keep-alive", "the transport keeps connections"),
    ("proxy-connection", "the transport keeps connections"),
    ("upgrade", "no other protocol is spoken"),
    ("te", "trailers are not asked for"),
    ("trailer", "no trailers are sent"),
    ("expect", "content is sent at once"),
    ("accept-encoding", "the codings that are asked for are those that are undone"),
    ("proxy-authorization", "set user and password_env of the [[proxy]] instead"),
];

/// Reads a request field written `Name: value`; returns name and value.
///
/// # Errors
/// Says what is wrong, by the field's name and without its value, which may be a secret.
///
/// # Source
/// RFC 9110 sections 5.1 and 5.5.
pub fn request_field(text: &str) -> Result<(Box<str>, Box<str>), String> {
    let Some((name, value)) = text.split_once(':') else {
        return Err("a field is written \"Name: value\": there is no colon".into());
    };
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(token) {
        return Err(format!("{name:?} is no name of a field: only letters, digits and -, no spaces"));
    }
    let value = value.trim_matches([' ', '\t']);
    if value.contains(['\r', '\n']) {
        return Err(format!("the value of {name} holds a line end, which would begin another field"));
    }
    let sendable = |byte: u8| byte == b'\t' || byte == b' ' || byte.is_ascii_graphic();
    if !value.bytes().all(sendable) {
        return Err(format!("the value of {name} cannot be sent: only visible ASCII and spaces"));
    }
    if value.len() > VALUE_BYTES_MAX {
        return Err(format!("the value of {name} is longer than {VALUE_BYTES_MAX} bytes"));
    }
    match REFUSED.iter().find(|(refused, _)| name.eq_ignore_ascii_case(refused)) {
        Some((_, why)) => Err(format!("{name} cannot be given: {why}")),
        None => Ok((name.into(), value.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<(&str, &str), &str>) {
        match (request_field(text), expected) {
            (Ok((name, value)), Ok(expected)) => assert_eq!((&*name, &*value), expected),
            (Err(error), Err(words)) => assert!(error.contains(words), "{error}"),
            (found, _) => panic!("{text:?}: {found:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn fields_are_read_and_bad_ones_say_why() {
        check("Accept-Language: de, en;q=0.5", Ok(("Accept-Language", "de, en;q=0.5")));
        check("X-A:b:c", Ok(("X-A", "b:c")));
        check("X-A:", Ok(("X-A", "")));
        check("X-A", Err("no colon"));
        check(": b", Err("no name of a field"));
        check("X A: b", Err("no name of a field"));
        check("X-A: b\r\nX-B: c", Err("X-A holds a line end"));
        check("X-A: \u{fc}", Err("only visible ASCII"));
        check("X-A: \0", Err("only visible ASCII"));
        check("HOST: other.example", Err("it follows from the URL"));
        check("Content-Length: 3", Err("it follows from the content"));
        check("Transfer-Encoding: chunked", Err("frames the content"));
        check("Proxy-Authorization: Basic x", Err("[[proxy]]"));
        check(&format!("X-A: {}", "a".repeat(8_193)), Err("longer than 8192 bytes"));
    }

    #[test]
    fn a_refusal_shows_no_value() {
        for text in ["X-Key: hunter2\n", "X-Key: hunter2\u{fc}", "Proxy-Authorization: hunter2"] {
            assert!(!request_field(text).unwrap_err().contains("hunter2"), "{text:?}");
        }
    }
}
