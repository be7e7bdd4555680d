//! Compares the scanner with the tokenizer of html5ever over generated documents.

use std::cell::RefCell;

use dragline_core::chance::Chance;
use dragline_page::{Charset, Scanner, TagKind, value};
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    BufferQueue, CharacterTokens, EndTag, NullCharacterToken, StartTag, Tag, TagToken, Token, TokenSink,
    TokenSinkResult, Tokenizer, TokenizerOpts,
};

/// A tag with its attributes of interest as (name, decoded value), or a title with its text.
type Record = (TagKind, Vec<(&'static str, String)>);

const ATTRIBUTES: [&str; 7] = ["charset", "content", "href", "http-equiv", "name", "rel", "src"];

/// Does what the tree builder does to the tokenizer with scripting off, and keeps what a crawler wants.
#[derive(Default)]
struct Sink(RefCell<State>);

#[derive(Default)]
struct State {
    records: Vec<Record>,
    title: Option<String>,
    template_depth: u32,
    foreign_depth: u32,
}

impl TokenSink for Sink {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let mut state = self.0.borrow_mut();
        match token {
            TagToken(tag) if tag.kind == StartTag => return state.start(&tag),
            TagToken(tag) if tag.kind == EndTag => state.end(&tag),
            CharacterTokens(text) => {
                if let Some(title) = &mut state.title {
                    title.push_str(&text);
                }
            }
            NullCharacterToken => {
                if let Some(title) = &mut state.title {
                    title.push('\u{FFFD}');
                }
            }
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

impl State {
    fn start(&mut self, tag: &Tag) -> TokenSinkResult<()> {
        self.finish_title();
        let foreign = self.foreign_depth > 0;
        let kind = match &*tag.name {
            "a" => Some(TagKind::A),
            "area" => Some(TagKind::Area),
            "base" => Some(TagKind::Base),
            "frame" => Some(TagKind::Frame),
            "iframe" => Some(TagKind::Iframe),
            "link" => Some(TagKind::Link),
            "meta" => Some(TagKind::Meta),
            "title" if !foreign => Some(TagKind::Title),
            _ => None,
        };
        let empty = foreign && tag.self_closing;
        if let Some(kind) = kind.filter(|_| self.template_depth == 0) {
            let mut values = Vec::new();
            for name in ATTRIBUTES {
                if let Some(found) = tag.attrs.iter().find(|found| &*found.name.local == name) {
                    values.push((name, found.value.to_string()));
                }
            }
            self.records.push((kind, values));
            self.title = (kind == TagKind::Title).then(String::new);
        }
        match &*tag.name {
            "title" | "textarea" if !empty => TokenSinkResult::RawData(RawKind::Rcdata),
            "style" | "xmp" | "iframe" | "noembed" | "noframes" if !empty => {
                TokenSinkResult::RawData(RawKind::Rawtext)
            }
            "script" if !empty => TokenSinkResult::RawData(RawKind::ScriptData),
            "plaintext" if !foreign => TokenSinkResult::Plaintext,
            "template" if !foreign => {
                self.template_depth += 1;
                TokenSinkResult::Continue
            }
            "svg" | "math" if !tag.self_closing => {
                self.foreign_depth += 1;
                TokenSinkResult::Continue
            }
            _ => TokenSinkResult::Continue,
        }
    }

    fn end(&mut self, tag: &Tag) {
        self.finish_title();
        match &*tag.name {
            "template" if self.foreign_depth == 0 => {
                self.template_depth = self.template_depth.saturating_sub(1);
            }
            "svg" | "math" => self.foreign_depth = self.foreign_depth.saturating_sub(1),
            _ => {}
        }
    }

    fn finish_title(&mut self) {
        if let (Some(title), Some((_, values))) = (self.title.take(), self.records.last_mut()) {
            values.push(("title", collapsed(&title)));
        }
    }
}

fn collapsed(text: &str) -> String {
    let words: Vec<_> = text.split_ascii_whitespace().collect();
    words.join(" ").chars().take(1_000).collect::<String>().trim_end().to_owned()
}

fn records_of_tokenizer(document: &str) -> Vec<Record> {
    let queue = BufferQueue::default();
    queue.push_back(StrTendril::from(document));
    let options = TokenizerOpts { discard_bom: false, ..TokenizerOpts::default() };
    let tokenizer = Tokenizer::new(Sink::default(), options);
    let _complete = tokenizer.feed(&queue);
    tokenizer.end();
    let mut state = tokenizer.sink.0.into_inner();
    state.finish_title();
    state.records
}

fn records_of_scanner(document: &str) -> Vec<Record> {
    let charset = Charset::utf8();
    let record = |tag: dragline_page::Tag<'_>| {
        let found = &tag.attributes;
        let raw =
            [found.charset, found.content, found.href, found.http_equiv, found.name, found.rel, found.src];
        let decode = |(name, raw): (&'static str, Option<&[u8]>)| {
            Some((name, value::attribute(&charset, raw?).into_owned()))
        };
        let mut values: Vec<_> = ATTRIBUTES.into_iter().zip(raw).filter_map(decode).collect();
        if tag.kind == TagKind::Title {
            values.push(("title", value::title(&charset, tag.text).unwrap_or_default().into()));
        }
        (tag.kind, values)
    };
    Scanner::new(document.as_bytes()).map(record).collect()
}

fn check(document: &str) -> usize {
    let found = records_of_scanner(document);
    assert_eq!(found, records_of_tokenizer(document), "{document:?}");
    found.len()
}

/// Pieces of documents, at least one for every state of the tokenizer that decides what is a tag.
const SNIPPETS: &[&str] = &[
    "<a href=x>",
    "<A HREF='a b'>",
    "<a href = \"q>r\" rel=nofollow>",
    "<a\thref=1\nhref=2/>",
    "<a/href=x/>",
    "<a href>",
    "<a href=>",
    "<a =href=x>",
    "<a 'href'=x>",
    "<a href=\"a\"rel=b>",
    "<a href=a\"b'c=d`e<f>",
    "<a href='&amp;&copy=1&copy;2&lt&notit;&#65;&#x41&#0;&#xD800;&unknown;'>",
    "<a href=\"&ampx&amp=&gt\">",
    "<a href=&amp",
    "<a href=\"\0\r\n\r\">",
    "<a hr\0ef=x>",
    "<a\0 href=x>",
    "<a href=\"é&eacute;\u{1F600}\">",
    "<area href=x>",
    "<base href=/b/>",
    "<frame src=f>",
    "<iframe src=g>",
    "</iframe>",
    "</IFRAME >",
    "<link rel=canonical href=c>",
    "<meta name=robots content='a,b'>",
    "<meta http-equiv=refresh content='0;url=x'>",
    "<meta charset=utf-8>",
    "<p class=\"x y\" id=z>",
    "</p>",
    "</p a='>'>",
    "<abbr href=no>",
    "<b <a href=x>",
    "<title>",
    "</title>",
    "</title x>",
    "</titlex>",
    "</tit",
    "T &amp; t &lt t\r\n \0 u",
    "<title/>",
    "</",
    "<textarea>",
    "</textarea>",
    "</TEXTAREA\t>",
    "<style>",
    "</style>",
    "</style/>",
    "<xmp>",
    "</xmp>",
    "<noembed>",
    "</noembed>",
    "<noframes>",
    "</noframes>",
    "<noscript>",
    "</noscript>",
    "<plaintext>",
    "<script>",
    "<SCRIPT src=x>",
    "</script>",
    "</script >",
    "</script/>",
    "</scripty>",
    "</script",
    "<script ",
    "<!--",
    "-->",
    "--!>",
    "->",
    "--",
    "-",
    ">",
    "<!-->",
    "<!--->",
    "<!---->",
    "<!--a--b-->",
    "<!----!>",
    "<!-",
    "<!",
    "<![CDATA[",
    "]]>",
    "<!doctype html>",
    "<!DOCTYPE a \"b>c\">",
    "<?xml ?>",
    "<?",
    "</ x>",
    "</>",
    "</3>",
    "<3>",
    "<template>",
    "</template>",
    "<template/>",
    "<svg>",
    "</svg>",
    "<svg/>",
    "<math>",
    "</math>",
    "<script/>",
    "<style/>",
    "text & more",
    "\"",
    "'",
    "=",
    "/",
    " ",
    "<",
    "&",
    "&am",
    "&#",
    ";",
    "\0",
    "\r",
    "\n",
    "é",
    "\u{FEFF}",
    "<script><!--",
    "<script><!--<script>",
    "<script><!--><script>",
    "<script><!--<script>--><script>",
];

/// Writes a document of snippets, then damages it.
fn document(chance: &mut Chance) -> String {
    let mut below = |bound: usize| usize::try_from(chance.below(bound as u64)).expect("below a usize");
    let mut text: Vec<char> =
        (0..below(25)).flat_map(|_| SNIPPETS[below(SNIPPETS.len())].chars().collect::<Vec<_>>()).collect();
    for _ in 0..below(4) {
        let at = below(text.len() + 1);
        let end = (at + below(6)).min(text.len());
        match below(3) {
            0 => drop(text.drain(at..end)),
            1 => {
                let copy: Vec<_> = text[at..end].to_vec();
                text.splice(at..at, copy);
            }
            _ => {
                let snippet = SNIPPETS[below(SNIPPETS.len())];
                text.splice(at..at, snippet.chars().take(3));
            }
        }
    }
    text.into_iter().collect()
}

#[test]
fn every_pair_of_snippets_is_read_as_the_tokenizer_reads_it() {
    for first in SNIPPETS {
        for second in SNIPPETS {
            check(&format!("{first}{second}<a href=end></script><a href=x>"));
        }
    }
}

#[test]
fn damaged_documents_are_read_as_the_tokenizer_reads_them() {
    let mut chance = Chance::new(20_261_120);
    let tags: usize = (0..12_000).map(|_| check(&document(&mut chance))).sum();
    assert!(tags > 12_000, "the documents must hold tags: {tags}");
}
