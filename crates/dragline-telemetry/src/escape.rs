//! Makes text that came from the network fit for a log line.

use std::borrow::Cow;

/// The most bytes of one text that are logged.
pub const TEXT_BYTES_MAX: usize = 2_048;

/// Returns a URL, or any other hostile text, cut at 2 KiB and with control and bidirectional characters escaped.
///
/// What is cut is replaced by `…`. The result has no line break, moves no cursor and reverses no text; borrows when
/// nothing had to change.
///
/// # Source
/// CVE-2021-42574 ("Trojan Source") for the bidirectional characters.
pub fn url(text: &str) -> Cow<'_, str> {
    if text.len() <= TEXT_BYTES_MAX && !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::new();
    for character in text.chars() {
        let before = safe.len();
        if is_unsafe(character) {
            safe.extend(character.escape_unicode());
        } else {
            safe.push(character);
        }
        if safe.len() > TEXT_BYTES_MAX {
            safe.truncate(before);
            safe.push('…');
            break;
        }
    }
    Cow::Owned(safe)
}

/// Whether a character could break a line, move a cursor, or show text in another order or not at all.
const fn is_unsafe(character: char) -> bool {
    character.is_ascii_control()
        || matches!(character,
            '\u{80}'..='\u{9f}'
            | '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(url(text), expected);
    }

    #[test]
    fn hostile_characters_are_escaped() {
        check("http://a/path?q=%0a", "http://a/path?q=%0a");
        check("http://a/ä漢", "http://a/ä漢");
        check("a\r\nb\tc", "a\\u{d}\\u{a}b\\u{9}c");
        check("\u{1b}[31mred", "\\u{1b}[31mred");
        check("\u{9b}31m\u{7f}", "\\u{9b}31m\\u{7f}");
        check("a\u{202e}gpj.exe\u{2066}", "a\\u{202e}gpj.exe\\u{2066}");
        check("\u{200b}\u{feff}", "\\u{200b}\\u{feff}");
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        let exact = "x".repeat(TEXT_BYTES_MAX);
        check(&exact, &exact);
        check(&format!("{exact}y"), &format!("{exact}…"));
        let wide = "ä".repeat(TEXT_BYTES_MAX);
        check(&wide, &format!("{}…", "ä".repeat(TEXT_BYTES_MAX / 2)));
        let escaped = url(&"\n".repeat(TEXT_BYTES_MAX)).into_owned();
        assert!(escaped.len() <= TEXT_BYTES_MAX + '…'.len_utf8() && escaped.ends_with("}…"), "{escaped}");
    }
}
