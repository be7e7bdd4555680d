//! Makes text that came from the network fit for a log line.

use std::borrow::Cow;

/// The most bytes of one text that are logged.
pub const TEXT_BYTES_MAX: usize = 2_048;

/// How much of a URL is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoggedUrls {
    /// All of it.
    #[default]
    Full,
    /// All but the query, which may hold what is nobody's business; `?…` stands for it.
    NoQuery,
}

impl LoggedUrls {
    /// Returns a URL as it may stand in a log line, made safe like any [`text`].
    pub fn show(self, url: &str) -> Cow<'_, str> {
        match (self, url.split_once('?')) {
            (Self::NoQuery, Some((before, _))) => Cow::Owned(format!("{}?…", text(before))),
            (Self::NoQuery, None) | (Self::Full, _) => text(url),
        }
    }

    /// Returns a sentence that may name URLs, such as a server's or an error's: each word that looks like one is shown
    /// as a URL is.
    pub fn show_in(self, sentence: &str) -> Cow<'_, str> {
        if self == Self::Full || !sentence.contains('?') {
            return text(sentence);
        }
        let words =
            sentence.split(' ').map(|word| if word.contains("://") { self.show(word) } else { text(word) });
        Cow::Owned(text(&words.collect::<Vec<_>>().join(" ")).into_owned())
    }
}

/// Returns hostile text cut at 2 KiB and with control and bidirectional characters escaped.
///
/// What is cut is replaced by `…`. The result has no line break, moves no cursor and reverses no text; borrows when
/// nothing had to change.
///
/// # Source
/// CVE-2021-42574 ("Trojan Source") for the bidirectional characters.
pub fn text(text: &str) -> Cow<'_, str> {
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

    fn check(hostile: &str, expected: &str) {
        assert_eq!(text(hostile), expected);
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
        let escaped = text(&"\n".repeat(TEXT_BYTES_MAX)).into_owned();
        assert!(escaped.len() <= TEXT_BYTES_MAX + '…'.len_utf8() && escaped.ends_with("}…"), "{escaped}");
    }

    #[test]
    fn the_query_is_left_out_where_it_is_nobodys_business() {
        let check = |url: &str, full: &str, no_query: &str| {
            assert_eq!((&*LoggedUrls::Full.show(url), &*LoggedUrls::NoQuery.show(url)), (full, no_query));
        };
        check("http://a/b?token=1?2", "http://a/b?token=1?2", "http://a/b?…");
        check("http://a/\u{1b}?x", "http://a/\\u{1b}?x", "http://a/\\u{1b}?…");
        check("http://a/b", "http://a/b", "http://a/b");

        let sentence = "redirects do not end: the next is http://a/b?token=1 (really?)";
        assert_eq!(LoggedUrls::Full.show_in(sentence), sentence);
        let shown = LoggedUrls::NoQuery.show_in(sentence);
        assert_eq!(shown, "redirects do not end: the next is http://a/b?… (really?)");
    }
}
