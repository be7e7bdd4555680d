//! Repairs response heads: bytes in; the final head, its framing, or a refusal out. Pure, and blind to how bytes were split.

use bytes::Bytes;
use dragline_core::fetch::{FetchLimits, Method};
use dragline_core::headers::Headers;
use memchr::{memchr, memchr_iter, memmem};

use crate::error::Fault;

/// Bytes of a status line.
const STATUS_LINE_BYTES_MAX: usize = 1 << 10;
/// Bytes of a field name; http's own limit, past which actix-http panics, is 64 KiB.
const NAME_BYTES_MAX: usize = 1 << 10;
/// Bytes that are set aside for a head of which only a part has come.
const FIRST_BYTES: usize = 512;
/// The start of every status line that is understood (RFC 9112 section 4).
const PREFIX: &[u8] = b"HTTP/1.";

/// How the end of a body is found (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is no body.
    Empty,
    /// So many bytes.
    Length(u64),
    /// Chunks, up to one of size 0.
    Chunked,
    /// Until the connection ends.
    UntilClose,
}

/// The final head of a response.
#[derive(Clone, Debug)]
pub(crate) struct FinalHead {
    /// The status.
    pub(crate) status: u16,
    /// The fields; the raw head is kept in it, with folded lines unfolded.
    pub(crate) headers: Headers,
    /// Where the body ends.
    pub(crate) framing: Framing,
    /// Whether the connection may serve another request.
    pub(crate) keep_alive: bool,
    /// Whether the body is coded, so that its bytes are not those of the result.
    pub(crate) coded: bool,
}

/// What became of some bytes.
#[derive(Debug)]
pub(crate) enum HeadStep {
    /// The head is not whole yet; all bytes were taken.
    More,
    /// The head is whole; this many of the bytes belonged to it.
    Final(usize, FinalHead),
}

/// Collects one response head after another until the final one is whole.
#[derive(Debug)]
pub(crate) struct HeadRepair {
    method: Method,
    bytes_max: usize,
    lines_max: usize,
    line_bytes_max: usize,
    interim_left: u32,
    /// The head so far.
    head: Vec<u8>,
    /// Where the line that is being read began, and the one before it.
    line_start: usize,
    previous_start: usize,
    lines: usize,
}

impl HeadRepair {
    /// Begins a response to a request of `method`. Limits below 64 bytes count as 64.
    pub(crate) fn new(method: Method, limits: &FetchLimits) -> Self {
        Self {
            method,
            bytes_max: limits.head_bytes_max.max(64),
            lines_max: limits.head_lines_max,
            line_bytes_max: limits.head_line_bytes_max.max(64),
            interim_left: limits.interim_max,
            head: Vec::new(),
            line_start: 0,
            previous_start: 0,
            lines: 0,
        }
    }

    /// Whether no byte of the next head has arrived.
    pub(crate) fn is_empty(&self) -> bool {
        self.head.is_empty()
    }

    /// Takes bytes.
    ///
    /// # Errors
    /// When the peer does not speak HTTP, contradicts itself, or passes a limit.
    pub(crate) fn push(&mut self, input: &[u8]) -> Result<HeadStep, Fault> {
        let mut used = 0;
        while let Some(rest) = input.get(used..).filter(|rest| !rest.is_empty()) {
            let line_end = memchr(b'\n', rest);
            let taken = line_end.map_or(rest.len(), |end| end + 1);
            if self.head.capacity() == 0 {
                // Most heads arrive whole, and are kept in no more memory than they need.
                let whole = memmem::find(rest, b"\r\n\r\n").map(|end| end + 4);
                self.head.reserve_exact(whole.unwrap_or(FIRST_BYTES).min(self.bytes_max));
            }
            self.take(rest.get(..taken).unwrap_or_default())?;
            used += taken;
            if line_end.is_some() && self.end_line()? {
                let (status, minor) = status_of(&self.head)?;
                if (100..200).contains(&status) && status != 101 {
                    self.drop_interim()?;
                } else {
                    return Ok(HeadStep::Final(used, self.judge(status, minor)?));
                }
            }
        }
        Ok(HeadStep::More)
    }

    /// Appends a piece of one line, when the limits allow.
    fn take(&mut self, piece: &[u8]) -> Result<(), Fault> {
        if let (true, Some(b' ' | b'\t')) = (self.head.len() == self.line_start, piece.first()) {
            self.unfold()?;
        }
        if self.lines == 0 {
            let expected = PREFIX.get(self.head.len()..).unwrap_or_default();
            if piece.iter().zip(expected).any(|(found, expected)| found != expected) {
                return Err(Fault::Protocol("the answer is not http/1"));
            }
        }
        let line_max = if self.lines == 0 { self.status_line_max() } else { self.line_bytes_max };
        let line_room = line_max.saturating_sub(self.head.len() - self.line_start);
        let head_room = self.bytes_max - self.head.len();
        if piece.len() > line_room.min(head_room) {
            return Err(Fault::TooLarge(if line_room <= head_room {
                "a line of the response head is too long"
            } else {
                "the response head is too long"
            }));
        }
        self.head.extend_from_slice(piece);
        Ok(())
    }

    const fn status_line_max(&self) -> usize {
        if self.line_bytes_max < STATUS_LINE_BYTES_MAX { self.line_bytes_max } else { STATUS_LINE_BYTES_MAX }
    }

    /// Joins the line that begins with white space to the one before it (RFC 9112 section 5.2).
    fn unfold(&mut self) -> Result<(), Fault> {
        match self.lines {
            0 => return Ok(()),
            1 => return Err(Fault::Protocol("the first field line begins with white space")),
            _ => {}
        }
        let ends = self.head.iter_mut().rev().take(2);
        for octet in ends.take_while(|octet| matches!(**octet, b'\r' | b'\n')) {
            *octet = b' ';
        }
        self.line_start = self.previous_start;
        Ok(())
    }

    /// Closes a line; true when it was the empty one that ends the head.
    fn end_line(&mut self) -> Result<bool, Fault> {
        let line = self.head.get(self.line_start..).unwrap_or_default();
        if matches!(line, b"\n" | b"\r\n") {
            return Ok(true);
        }
        self.lines += 1;
        if self.lines > self.lines_max {
            return Err(Fault::TooLarge("the response head has too many lines"));
        }
        self.previous_start = self.line_start;
        self.line_start = self.head.len();
        Ok(false)
    }

    fn drop_interim(&mut self) -> Result<(), Fault> {
        self.interim_left =
            self.interim_left.checked_sub(1).ok_or(Fault::Protocol("too many interim responses"))?;
        self.head.clear();
        self.line_start = 0;
        self.previous_start = 0;
        self.lines = 0;
        Ok(())
    }

    /// Decides the framing of the final response.
    fn judge(&mut self, status: u16, minor: u8) -> Result<FinalHead, Fault> {
        if status == 101 {
            return Err(Fault::Protocol("the server switched protocols unasked"));
        }
        let headers = Headers::parse(Bytes::from(std::mem::take(&mut self.head)));
        let fields = Fields::collect(&headers)?;
        let announced = fields.chunked || fields.length.is_some_and(|length| length > 0);
        let mut keep_alive = !fields.close && (minor >= 1 || (fields.keep_alive && !fields.chunked));
        let framing = if self.method == Method::Head {
            Framing::Empty
        } else if matches!(status, 204 | 304) {
            // Whether the announced body follows cannot be known: the next response must not be taken for it.
            keep_alive &= !announced;
            Framing::Empty
        } else if fields.chunked {
            Framing::Chunked
        } else {
            match fields.length {
                Some(0) => Framing::Empty,
                Some(length) => Framing::Length(length),
                None => Framing::UntilClose,
            }
        };
        keep_alive &= framing != Framing::UntilClose;
        Ok(FinalHead { status, headers, framing, keep_alive, coded: fields.coded })
    }
}

/// Reads status and minor version from a whole head.
fn status_of(head: &[u8]) -> Result<(u16, u8), Fault> {
    const MALFORMED: Fault = Fault::Protocol("the status line is malformed");
    let line = head.split(|octet| *octet == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let Some([minor, b' ', hundreds, tens, ones, rest @ ..]) = line.strip_prefix(PREFIX) else {
        return Err(MALFORMED);
    };
    let digits = [minor, hundreds, tens, ones];
    if !digits.iter().all(|digit| digit.is_ascii_digit()) || *hundreds == b'0' {
        return Err(MALFORMED);
    }
    if rest.first().is_some_and(|octet| *octet != b' ') {
        return Err(MALFORMED);
    }
    let digit = |octet: &u8| u16::from(octet - b'0');
    Ok((digit(hundreds) * 100 + digit(tens) * 10 + digit(ones), minor - b'0'))
}

/// The fields that decide framing.
#[derive(Debug, Default)]
struct Fields {
    length: Option<u64>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
    coded: bool,
}

impl Fields {
    fn collect(headers: &Headers) -> Result<Self, Fault> {
        let mut fields = Self::default();
        let raw = headers.raw();
        let mut returns = memchr_iter(b'\r', raw);
        if memchr(b'\0', raw).is_some() || returns.any(|at| raw.get(at + 1) != Some(&b'\n')) {
            return Err(Fault::Protocol("a field holds a forbidden octet"));
        }
        for (name, value) in headers.iter() {
            match name.len() {
                10 if name.eq_ignore_ascii_case(b"connection") => fields.connection(value),
                14 if name.eq_ignore_ascii_case(b"content-length") => fields.content_length(value)?,
                16 if name.eq_ignore_ascii_case(b"content-encoding") => fields.coded = true,
                17 if name.eq_ignore_ascii_case(b"transfer-encoding") => fields.transfer_encoding(value)?,
                len if len > NAME_BYTES_MAX => return Err(Fault::TooLarge("a field name is too long")),
                _ => {}
            }
        }
        if fields.chunked && fields.length.is_some() {
            return Err(Fault::Protocol("both content-length and transfer-encoding are given"));
        }
        Ok(fields)
    }

    fn connection(&mut self, value: &[u8]) {
        for option in tokens(value) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    fn content_length(&mut self, value: &[u8]) -> Result<(), Fault> {
        for number in tokens(value) {
            let digits = std::str::from_utf8(number).ok().filter(|digits| !digits.starts_with('+'));
            let length = digits.and_then(|digits| digits.parse().ok());
            let length = length.ok_or(Fault::Protocol("content-length is not a number"))?;
            if self.length.replace(length).is_some_and(|earlier| earlier != length) {
                return Err(Fault::Protocol("content-length is given twice and differs"));
            }
        }
        Ok(())
    }

    fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), Fault> {
        for coding in tokens(value) {
            if coding.eq_ignore_ascii_case(b"identity") {
                continue;
            }
            if !coding.eq_ignore_ascii_case(b"chunked") {
                return Err(Fault::Protocol("the transfer coding is unknown"));
            }
            if std::mem::replace(&mut self.chunked, true) {
                return Err(Fault::Protocol("chunked is given twice"));
            }
        }
        Ok(())
    }
}

/// Splits a list field; an empty `content-length` is one empty token, so that it is refused and not skipped.
fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|octet| *octet == b',').map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says what came of a head that arrived in pieces, and how many bytes of all belonged to it.
    fn run(pieces: &[&[u8]], limits: &FetchLimits) -> String {
        let mut repair = HeadRepair::new(Method::Get, limits);
        let mut before = 0;
        for piece in pieces {
            match repair.push(piece) {
                Ok(HeadStep::More) => before += piece.len(),
                Ok(HeadStep::Final(used, head)) => {
                    let FinalHead { status, headers, framing, keep_alive, coded: _ } = head;
                    let raw = String::from_utf8_lossy(headers.raw()).into_owned();
                    return format!("{} {status} {framing:?} {keep_alive} {raw:?}", before + used);
                }
                Err(fault) => return format!("{fault:?}"),
            }
        }
        "more".into()
    }

    /// Checks that every split of the input gives what the whole gives, and that this begins with `expected`.
    fn check(input: &[u8], limits: &FetchLimits, expected: &str) {
        let whole = run(&[input], limits);
        assert!(whole.starts_with(expected), "{whole} for {:?}", String::from_utf8_lossy(input));
        let bytes: Vec<&[u8]> = input.chunks(1).collect();
        assert_eq!(run(&bytes, limits), whole);
        for at in 0..=input.len() {
            let (one, rest) = input.split_at(at);
            assert_eq!(run(&[one, rest], limits), whole, "split at {at}");
            let (two, three) = rest.split_at(rest.len() / 2);
            assert_eq!(run(&[one, two, three], limits), whole, "split at {at} and half-way behind");
        }
    }

    fn check_default(input: &[u8], expected: &str) {
        check(input, &FetchLimits::default(), expected);
    }

    #[test]
    fn framing_is_decided_alike_however_the_bytes_arrive() {
        check_default(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "38 200 Length(5) true");
        check_default(b"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n0", "44 200 Chunked true");
        check_default(b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", "38 200 Length(5) false");
        check_default(b"HTTP/1.1 200 OK\r\n\r\nx", "19 200 UntilClose false");
        check_default(b"HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\n", "38 304 Empty false");
        check_default(
            b"HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 103 Hi\r\nA: b\r\n\r\nHTTP/1.1 204 \r\n\r\n",
            "61 204",
        );
        check_default(b"HTTP/1.1 200 OK\r\nContent-Length:\r\n 5\r\n\r\n", "40 200 Length(5) true");
        check_default(b"HTTP/1.1 200 OK\r\nX: a\r\n\r\n", "25 200");
        check_default(b"HTTP/1.1 200 OK\r\nX: a\r\n \t\r\n\r\n", "29 200");
        check_default(b"HTTP/1.1 200 OK\r\nX: a", "more");
        check_default(b"", "more");
    }

    #[test]
    fn faults_are_found_alike_however_the_bytes_arrive() {
        for (input, expected) in [
            ("HTTP/0.9 200 OK\r\n\r\n", "Protocol(\"the answer is not http/1\")"),
            ("\r\nHTTP/1.1 200 OK\r\n\r\n", "Protocol(\"the answer is not http/1\")"),
            (" HTTP/1.1 200 OK\r\n\r\n", "Protocol(\"the answer is not http/1\")"),
            ("HTTP/1.1 20\r\n\r\n", "Protocol(\"the status line is malformed\")"),
            ("HTTP/1.1 101 Up\r\n\r\n", "Protocol(\"the server switched"),
            ("HTTP/1.1 200 OK\r\n X: a\r\n\r\n", "Protocol(\"the first field line"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\n", "Protocol(\"content-length is given twice"),
        ] {
            check_default(input.as_bytes(), expected);
        }
    }

    #[test]
    fn limits_are_passed_alike_however_the_bytes_arrive() {
        let limits = FetchLimits {
            head_bytes_max: 160,
            head_lines_max: 4,
            head_line_bytes_max: 100,
            interim_max: 1,
            ..FetchLimits::default()
        };
        let long = |count: usize| "x".repeat(count);
        let line = "TooLarge(\"a line of the response head is too long\")";
        let head = "TooLarge(\"the response head is too long\")";
        check(format!("HTTP/1.1 200 {}", long(100)).as_bytes(), &limits, line);
        check(format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", long(99)).as_bytes(), &limits, line);
        check(
            format!("HTTP/1.1 200 OK\r\nX: {}\r\n {}\r\n\r\n", long(60), long(60)).as_bytes(),
            &limits,
            line,
        );
        check(format!("HTTP/1.1 200 OK\r\nX: {0}\r\nY: {0}\r\n\r\n", long(70)).as_bytes(), &limits, head);
        let lines = "HTTP/1.1 200 OK\r\nA: b\r\nA: b\r\nA: b\r\nA: b\r\n\r\n";
        check(lines.as_bytes(), &limits, "TooLarge(\"the response head has too many lines\")");
        let interim = "HTTP/1.1 100 Go\r\n\r\n".repeat(2);
        check(interim.as_bytes(), &limits, "Protocol(\"too many interim responses\")");
    }
}
