//! Finds the tags a crawler cares about in the bytes of an HTML document, in one pass and without building a tree.
//!
//! The scanner makes the decisions of the WHATWG tokenizer with scripting off: comments, raw text, escaped
//! scripts and attribute states are told apart exactly, and `noscript` is markup. It sees no tree, so the one thing
//! it must guess is foreign content: inside `svg` and `math` a self-closing `<script/>` or `<title/>` opens no raw
//! text, and titles there name no page. What stands inside `template` is not part of the document and is left out.
//!
//! Every byte is looked at a bounded number of times: a search that fails ends the scan, and one that succeeds goes on
//! behind what it found.

use memchr::{memchr, memmem};

/// A start tag of interest. Attribute values and title text are as written: neither decoded nor unescaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag<'a> {
    /// Which tag it is.
    pub kind: TagKind,
    /// The attributes of interest.
    pub attributes: Attributes<'a>,
    /// The text up to the end tag; empty for all tags but [`TagKind::Title`].
    pub text: &'a [u8],
}

/// The tags of interest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TagKind {
    /// `<a>`
    A,
    /// `<area>`
    Area,
    /// `<base>`
    Base,
    /// `<frame>`
    Frame,
    /// `<iframe>`
    Iframe,
    /// `<link>`
    Link,
    /// `<meta>`
    Meta,
    /// `<title>`
    Title,
}

/// The attributes of interest; of several with one name the first counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes<'a> {
    /// `href`
    pub href: Option<&'a [u8]>,
    /// `src`
    pub src: Option<&'a [u8]>,
    /// `rel`
    pub rel: Option<&'a [u8]>,
    /// `name`
    pub name: Option<&'a [u8]>,
    /// `content`
    pub content: Option<&'a [u8]>,
    /// `charset`
    pub charset: Option<&'a [u8]>,
    /// `http-equiv`
    pub http_equiv: Option<&'a [u8]>,
}

impl<'a> Attributes<'a> {
    fn keep(&mut self, name: &[u8], value: &'a [u8]) {
        let slot = match name.len() {
            3 if name.eq_ignore_ascii_case(b"src") => &mut self.src,
            3 if name.eq_ignore_ascii_case(b"rel") => &mut self.rel,
            4 if name.eq_ignore_ascii_case(b"href") => &mut self.href,
            4 if name.eq_ignore_ascii_case(b"name") => &mut self.name,
            7 if name.eq_ignore_ascii_case(b"content") => &mut self.content,
            7 if name.eq_ignore_ascii_case(b"charset") => &mut self.charset,
            10 if name.eq_ignore_ascii_case(b"http-equiv") => &mut self.http_equiv,
            _ => return,
        };
        slot.get_or_insert(value);
    }
}

/// What a tag name means to the scanner.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Name {
    Wanted(TagKind),
    Title,
    /// A tag whose content is text up to its own end tag; `true` when it is wanted itself (`iframe`).
    RawText(Option<TagKind>),
    Script,
    Plaintext,
    Template,
    Foreign,
    Other,
}

/// Walks over a document; an iterator of its tags of interest, in order.
#[derive(Clone, Debug)]
pub struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    template_depth: u32,
    foreign_depth: u32,
}

/// How a tag ended.
struct TagEnd {
    self_closing: bool,
}

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0c)
}

/// Bytes that end a tag or attribute name.
const fn ends_name(byte: u8) -> bool {
    is_space(byte) || matches!(byte, b'/' | b'>')
}

impl<'a> Scanner<'a> {
    /// Scans bytes in an ASCII-compatible encoding (neither UTF-16 nor ISO-2022-JP).
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, template_depth: 0, foreign_depth: 0 }
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn slice(&self, start: usize, end: usize) -> &'a [u8] {
        self.bytes.get(start..end).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Moves behind the next `byte`, or to the end.
    fn skip_past(&mut self, byte: u8) {
        self.at = memchr(byte, self.rest()).map_or(self.bytes.len(), |found| self.at + found + 1);
    }

    /// Moves behind a comment whose `<!--` was read.
    fn skip_comment(&mut self) {
        let start = self.at;
        while let Some(found) = memchr(b'>', self.rest()) {
            let inside = self.slice(start, self.at + found);
            self.at += found + 1;
            let abrupt = matches!(inside, b"" | b"-");
            if abrupt || inside.ends_with(b"--") || inside.ends_with(b"--!") {
                return;
            }
        }
        self.at = self.bytes.len();
    }

    /// Moves past the tag name at the cursor and returns it.
    fn read_name(&mut self) -> &'a [u8] {
        let start = self.at;
        self.skip_while(|byte| !ends_name(byte));
        self.slice(start, self.at)
    }

    #[inline]
    fn skip_while(&mut self, keep_going: impl Fn(u8) -> bool) {
        while self.bytes.get(self.at).is_some_and(|byte| keep_going(*byte)) {
            self.at += 1;
        }
    }

    /// Reads attributes up to and with the tag's `>`; `None` when the document ends first, so that there is no tag.
    #[inline]
    fn read_attributes(&mut self, mut keep: impl FnMut(&'a [u8], &'a [u8])) -> Option<TagEnd> {
        let mut after_slash = false;
        loop {
            match self.peek()? {
                b'>' => {
                    self.at += 1;
                    return Some(TagEnd { self_closing: after_slash });
                }
                b'/' => {
                    self.at += 1;
                    after_slash = true;
                    continue;
                }
                byte if is_space(byte) => self.at += 1,
                _ => {
                    let start = self.at;
                    self.at += 1; // an equals sign that comes first belongs to the name
                    self.skip_while(|byte| !ends_name(byte) && byte != b'=');
                    let name = self.slice(start, self.at);
                    self.skip_while(is_space);
                    if self.peek()? == b'=' {
                        self.at += 1;
                        keep(name, self.read_value()?);
                    } else {
                        keep(name, b"");
                    }
                }
            }
            after_slash = false;
        }
    }

    /// Reads a value behind its equals sign; `None` when the document ends inside.
    #[inline]
    fn read_value(&mut self) -> Option<&'a [u8]> {
        self.skip_while(is_space);
        match self.peek()? {
            quote @ (b'"' | b'\'') => {
                let start = self.at + 1;
                let len = memchr(quote, self.bytes.get(start..)?)?;
                self.at = start + len + 1;
                Some(self.slice(start, start + len))
            }
            b'>' => Some(b""),
            _ => {
                let start = self.at;
                self.skip_while(|byte| !is_space(byte) && byte != b'>');
                Some(self.slice(start, self.at))
            }
        }
    }

    /// Moves to the `</name` that ends raw text, or to the end; returns the text.
    fn read_raw_text(&mut self, name: &[u8]) -> &'a [u8] {
        let start = self.at;
        while let Some(found) = memchr(b'<', self.rest()) {
            self.at += found;
            if is_end_tag(self.rest(), name) {
                return self.slice(start, self.at);
            }
            self.at += 1;
        }
        self.at = self.bytes.len();
        self.slice(start, self.at)
    }

    /// Moves to the `</script` that ends a script, or to the end.
    ///
    /// # Source
    /// HTML, 13.2.5.15 to 13.2.5.31 (the script data states).
    fn skip_script(&mut self) {
        let mut state = ScriptState::Plain;
        while let Some(found) = memchr(b'<', self.rest()) {
            let before = self.slice(self.at, self.at + found);
            if state != ScriptState::Plain && memmem::find(before, b"-->").is_some() {
                state = ScriptState::Plain;
            }
            self.at += found;
            let rest = self.rest();
            let opens = || is_named(rest.get(1..).unwrap_or_default(), b"script");
            match state {
                ScriptState::Plain | ScriptState::Escaped if is_end_tag(rest, b"script") => return,
                ScriptState::Plain if rest.starts_with(b"<!--") => {
                    state = ScriptState::Escaped;
                    self.at += 1; // only the "<!": the dashes may be those of "-->"
                }
                ScriptState::Escaped if opens() => state = ScriptState::DoubleEscaped,
                ScriptState::DoubleEscaped if is_end_tag(rest, b"script") => state = ScriptState::Escaped,
                _ => {}
            }
            self.at += 1;
        }
        self.at = self.bytes.len();
    }

    /// Reads the end tag whose `</` was read, or skips what only looks like one.
    fn read_end_tag(&mut self) {
        match self.peek() {
            Some(byte) if byte.is_ascii_alphabetic() => {
                let name = self.read_name();
                let meaning = meaning_of(name);
                if self.read_attributes(|_, _| {}).is_none() {
                    return self.stop();
                }
                match meaning {
                    Name::Template if self.foreign_depth == 0 => {
                        self.template_depth = self.template_depth.saturating_sub(1);
                    }
                    Name::Foreign => self.foreign_depth = self.foreign_depth.saturating_sub(1),
                    _ => {}
                }
            }
            _ => self.skip_past(b'>'),
        }
    }

    fn stop(&mut self) {
        self.at = self.bytes.len();
    }

    /// Reads the start tag whose `<` was read; returns it when it is wanted.
    fn read_start_tag(&mut self) -> Option<Tag<'a>> {
        let name = self.read_name();
        let meaning = meaning_of(name);
        let kind = match meaning {
            Name::Wanted(kind) | Name::RawText(Some(kind)) => Some(kind),
            Name::Title if self.foreign_depth == 0 => Some(TagKind::Title),
            _ => None,
        };
        let kind = kind.filter(|_| self.template_depth == 0);
        let mut attributes = Attributes::default();
        let end = match kind {
            Some(_) => self.read_attributes(|name, value| attributes.keep(name, value)),
            None => self.read_attributes(|_, _| {}),
        };
        let Some(end) = end else {
            self.stop();
            return None;
        };
        let text = self.enter(name, meaning, &end);
        kind.map(|kind| Tag { kind, attributes, text: if kind == TagKind::Title { text } else { b"" } })
    }

    /// Changes state as the start tag demands; returns the raw text that follows it.
    fn enter(&mut self, name: &[u8], meaning: Name, end: &TagEnd) -> &'a [u8] {
        let foreign = self.foreign_depth > 0;
        let empty = foreign && end.self_closing;
        match meaning {
            Name::Title | Name::RawText(_) if !empty => return self.read_raw_text(name),
            Name::Script if !empty => self.skip_script(),
            Name::Plaintext if !foreign => self.stop(),
            Name::Template if !foreign => self.template_depth = self.template_depth.saturating_add(1),
            Name::Foreign if !end.self_closing => self.foreign_depth = self.foreign_depth.saturating_add(1),
            _ => {}
        }
        b""
    }
}

impl<'a> Iterator for Scanner<'a> {
    type Item = Tag<'a>;

    fn next(&mut self) -> Option<Tag<'a>> {
        while let Some(found) = memchr(b'<', self.rest()) {
            self.at += found + 1;
            match self.peek()? {
                b'/' => {
                    self.at += 1;
                    self.read_end_tag();
                }
                b'!' if self.rest().starts_with(b"!--") => {
                    self.at += 3;
                    self.skip_comment();
                }
                b'!' | b'?' => self.skip_past(b'>'),
                byte if byte.is_ascii_alphabetic() => {
                    let tag = self.read_start_tag();
                    if tag.is_some() {
                        return tag;
                    }
                }
                _ => {}
            }
        }
        self.stop();
        None
    }
}

/// Where the script data states stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ScriptState {
    Plain,
    /// Behind `<!--`.
    Escaped,
    /// Behind `<!--` and `<script`: an end tag is not the script's.
    DoubleEscaped,
}

/// Whether `bytes` begin with this name, in any case, and the name ends there.
fn is_named(bytes: &[u8], name: &[u8]) -> bool {
    bytes.get(..name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name))
        && bytes.get(name.len()).is_some_and(|byte| ends_name(*byte))
}

fn is_end_tag(bytes: &[u8], name: &[u8]) -> bool {
    bytes.get(1) == Some(&b'/') && is_named(bytes.get(2..).unwrap_or_default(), name)
}

/// Says what a tag name means; most names are ruled out by length and first letter.
fn meaning_of(name: &[u8]) -> Name {
    let first = name.first().map_or(0, u8::to_ascii_lowercase);
    let (word, meaning): (&[u8], Name) = match (name.len(), first) {
        (1, b'a') => return Name::Wanted(TagKind::A),
        (3, b's') => (b"svg", Name::Foreign),
        (3, b'x') => (b"xmp", Name::RawText(None)),
        (4, b'a') => (b"area", Name::Wanted(TagKind::Area)),
        (4, b'b') => (b"base", Name::Wanted(TagKind::Base)),
        (4, b'l') => (b"link", Name::Wanted(TagKind::Link)),
        (4, b'm') if name.eq_ignore_ascii_case(b"math") => return Name::Foreign,
        (4, b'm') => (b"meta", Name::Wanted(TagKind::Meta)),
        (5, b'f') => (b"frame", Name::Wanted(TagKind::Frame)),
        (5, b's') => (b"style", Name::RawText(None)),
        (5, b't') => (b"title", Name::Title),
        (6, b'i') => (b"iframe", Name::RawText(Some(TagKind::Iframe))),
        (6, b's') => (b"script", Name::Script),
        (7, b'n') => (b"noembed", Name::RawText(None)),
        (8, b'n') => (b"noframes", Name::RawText(None)),
        (8, b't') if name.eq_ignore_ascii_case(b"textarea") => return Name::RawText(None),
        (8, b't') => (b"template", Name::Template),
        (9, b'p') => (b"plaintext", Name::Plaintext),
        _ => return Name::Other,
    };
    if name.eq_ignore_ascii_case(word) { meaning } else { Name::Other }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The href or src of every tag found, titles in brackets.
    fn check(input: &str, expected: &[&str]) {
        let found: Vec<_> = Scanner::new(input.as_bytes())
            .map(|tag| match tag.kind {
                TagKind::Title => format!("[{}]", String::from_utf8_lossy(tag.text)),
                _ => {
                    let value = tag.attributes.href.or(tag.attributes.src).unwrap_or(b"-");
                    String::from_utf8_lossy(value).into_owned()
                }
            })
            .collect();
        assert_eq!(found, expected, "{input}");
    }

    #[test]
    fn attributes_are_read_in_every_spelling() {
        check("<a href=x><A HREF='y z'><a\nhref = \"w>v\" ><a/href=q/>", &["x", "y z", "w>v", "q/"]);
        check("<a href=1 href=2><a class href><a =href=3 href=4>", &["1", "", "4"]);
        check("<a href=><a \"x>y\" href=z>", &["", "-"]);
        check("<abbr href=x><area href=y><b a=\"<a href=z>\">", &["y"]);
    }

    #[test]
    fn comments_end_where_the_standard_says() {
        check("<!--><a href=1><!---><a href=2><!----!><a href=3>", &["1", "2", "3"]);
        check("<!-- > -- ><a href=1> --!><a href=2><!--a--b-->", &["2"]);
        check("<!-- <a href=1>", &[]);
        check("<!doctype \"a>b\"><?x?><a href=1></><a href=2></ x><a href=3>", &["1", "2", "3"]);
    }

    #[test]
    fn raw_text_hides_markup() {
        check("<title>a<b</title ><a href=1>", &["[a<b]", "1"]);
        check("<style><a href=1></styles></style><a href=2>", &["2"]);
        check("<iframe src=f><a href=1></iframe><a href=2>", &["f", "2"]);
        check("<textarea><a href=1></TEXTAREA><plaintext><a href=2>", &[]);
        check("<noscript><a href=1></noscript><noframes><a href=2></noframes>", &["1"]);
        check("<svg><title>x</title><style/><script/></svg><a href=1>", &["1"]);
    }

    #[test]
    fn scripts_end_where_the_standard_says() {
        check("<script>'<a href=1>'</script><a href=2>", &["2"]);
        check("<script><!--<script></script><a href=1></script><a href=2>", &["2"]);
        check("<script><!--<script>--></script><a href=1>", &["1"]);
        check("<script><!--></script><a href=1>", &["1"]);
        check("<script><!--<scripts></script><a href=1>", &["1"]);
    }

    #[test]
    fn templates_are_left_out() {
        check("<template><a href=1><template></template><a href=2></template><a href=3>", &["3"]);
        check("</template><a href=1>", &["1"]);
    }

    #[test]
    fn a_tag_that_never_ends_is_none() {
        check("<a href=1", &[]);
        check("<a href=\"1><a href=2>", &[]);
        check("<", &[]);
        check("</", &[]);
    }
}
