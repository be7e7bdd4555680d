//! Judges what a client said of a behaviour: right, wrong but harmless, or a silent loss.

use std::fmt;

use dragline_core::Outcome;
use sha2::{Digest, Sha256};

use super::behaviour::{Behaviour, Sent};

/// What a client said of one URL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The name of the outcome, such as `ok`.
    pub outcome: String,
    /// The status of the final response.
    pub status: Option<u16>,
    /// Bytes of the decoded body.
    pub bytes: u64,
    /// SHA-256 of the decoded body, in hexadecimal.
    pub sha256: String,
    /// Whether the record says that something went wrong.
    pub noted: bool,
    /// The address that was talked to.
    pub peer: Option<String>,
}

/// What a record is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// An accepted outcome, with the very bytes that were sent.
    Right,
    /// Another outcome, but nothing was lost or made up; says what was expected.
    Survived(String),
    /// Bytes were reported as a whole answer that are not what was sent; says which.
    SilentLoss(String),
}

/// Judges a record.
///
/// `ok` with other bytes than were sent is a silent loss, and so is `http_error` without a note of what is missing.
/// Otherwise any accepted outcome is right, and any other record shows that the client survived.
pub fn judge(behaviour: &Behaviour, record: &Record) -> Verdict {
    let Some(outcome) = Outcome::ALL.into_iter().find(|outcome| outcome.name() == record.outcome) else {
        return Verdict::Survived(format!("\"{}\" is no outcome", record.outcome));
    };
    let claims_whole = outcome == Outcome::Ok || (outcome == Outcome::HttpError && !record.noted);
    if claims_whole && !is_whole(&behaviour.sent, record) {
        let sent = match &behaviour.sent {
            Sent::Whole(body) => format!("{} were sent", body.len()),
            Sent::OneOf(_) => "others were sent".to_owned(),
            Sent::Never => "the end of the body never came".to_owned(),
        };
        return Verdict::SilentLoss(format!("{outcome} with {} bytes, but {sent}", record.bytes));
    }
    if outcome == Outcome::OkTruncated && !is_beginning(&behaviour.sent, record) {
        return Verdict::SilentLoss(format!(
            "the {} bytes are not the beginning of what was sent",
            record.bytes
        ));
    }
    let peer_is_open = record.peer.as_deref().is_none_or(|peer| peer.starts_with("127.0.0.1:"));
    if behaviour.guarded && !peer_is_open {
        return Verdict::Survived(format!("it talked to {}", record.peer.as_deref().unwrap_or_default()));
    }
    if !behaviour.accepted.contains(&outcome) {
        let names: Vec<_> = behaviour.accepted.iter().map(|outcome| outcome.name()).collect();
        return Verdict::Survived(format!("{outcome}, not {}", names.join(" or ")));
    }
    let status_fits = match record.status {
        Some(status) => behaviour.statuses.is_empty() || behaviour.statuses.contains(&status),
        None => !outcome.has_response(),
    };
    if outcome.has_response() && !status_fits {
        return Verdict::Survived(format!("status {:?}, not {:?}", record.status, behaviour.statuses));
    }
    Verdict::Right
}

fn is_whole(sent: &Sent, record: &Record) -> bool {
    let is = |body: &[u8]| body.len() as u64 == record.bytes && sha256_of(body) == record.sha256;
    match sent {
        Sent::Whole(body) => is(body),
        Sent::OneOf(bodies) => bodies.iter().any(|body| is(body)),
        Sent::Never => false,
    }
}

fn is_beginning(sent: &Sent, record: &Record) -> bool {
    let begins = |body: &[u8]| {
        let beginning = usize::try_from(record.bytes).ok().and_then(|length| body.get(..length));
        beginning.is_some_and(|beginning| sha256_of(beginning) == record.sha256)
    };
    match sent {
        Sent::Whole(body) => begins(body),
        Sent::OneOf(bodies) => bodies.iter().any(|body| begins(body)),
        Sent::Never => true,
    }
}

/// Returns the SHA-256 of a body, in hexadecimal.
pub fn sha256_of(body: &[u8]) -> String {
    Sha256::digest(body).iter().fold(String::with_capacity(64), |text, octet| text + &format!("{octet:02x}"))
}

/// How many records were worth what; its text lists those that are not right.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    judged: Vec<(String, Verdict)>,
}

impl Tally {
    /// Makes a tally of nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Judges a record and counts it.
    pub fn add(&mut self, behaviour: &Behaviour, record: &Record) {
        self.judged.push((behaviour.name.clone(), judge(behaviour, record)));
    }

    /// Returns how many records were judged.
    pub fn count(&self) -> usize {
        self.judged.len()
    }

    /// Returns how many were right.
    pub fn right(&self) -> usize {
        self.judged.iter().filter(|(_, verdict)| *verdict == Verdict::Right).count()
    }

    /// Returns the names of the behaviours that were lost silently.
    pub fn lost(&self) -> Vec<&str> {
        let lost = self.judged.iter().filter(|(_, verdict)| matches!(verdict, Verdict::SilentLoss(_)));
        lost.map(|(name, _)| name.as_str()).collect()
    }

    /// Whether at least this share, in per cent, was right.
    pub fn is_right_in(&self, percent: usize) -> bool {
        self.right() * 100 >= self.count() * percent
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "right {} of {}, lost {}", self.right(), self.count(), self.lost().len())?;
        for (name, verdict) in &self.judged {
            match verdict {
                Verdict::Right => {}
                Verdict::Survived(why) => writeln!(f, "  survived {name}: {why}")?,
                Verdict::SilentLoss(why) => writeln!(f, "  LOST {name}: {why}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::behaviour::Ask;
    use super::*;

    fn check(sent: Sent, outcome: &str, body: &[u8], noted: bool, expected: &str) {
        let behaviour = Behaviour {
            name: "a/b".into(),
            url: "http://a/".into(),
            ask: Ask::Get,
            accepted: vec![Outcome::Ok, Outcome::Incomplete, Outcome::OkTruncated],
            statuses: vec![200],
            sent,
            guarded: true,
        };
        let record = Record {
            outcome: outcome.into(),
            status: Some(if outcome == "incomplete" { 500 } else { 200 }),
            bytes: body.len() as u64,
            sha256: sha256_of(body),
            noted,
            peer: (outcome == "blocked").then(|| "127.0.0.2:80".to_owned()),
        };
        let verdict = format!("{:?}", judge(&behaviour, &record));
        assert!(verdict.starts_with(expected), "{verdict} for {record:?}");
    }

    #[test]
    fn other_bytes_are_a_loss_and_other_outcomes_are_survived() {
        let sent = || Sent::Whole(Bytes::from_static(b"abc"));
        check(sent(), "ok", b"abc", false, "Right");
        check(sent(), "ok", b"ab", false, "SilentLoss");
        check(sent(), "ok", b"abd", true, "SilentLoss");
        check(sent(), "ok_truncated", b"ab", true, "Right");
        check(sent(), "ok_truncated", b"b", true, "SilentLoss");
        check(sent(), "ok_truncated", b"abcd", true, "SilentLoss");
        check(sent(), "incomplete", b"", true, "Right");
        check(sent(), "http_error", b"abc", false, "Survived");
        check(sent(), "http_error", b"ab", false, "SilentLoss");
        check(sent(), "http_error", b"ab", true, "Survived");
        check(sent(), "blocked", b"", true, "Survived(\"it talked");
        check(sent(), "fine", b"", true, "Survived(\"\\\"fine");
        check(Sent::Never, "ok", b"", false, "SilentLoss");
        check(Sent::Never, "ok_truncated", b"x", true, "Right");
        check(Sent::OneOf(vec!["a".into(), "b".into()]), "ok", b"b", false, "Right");
        check(Sent::OneOf(vec!["a".into(), "b".into()]), "ok", b"c", false, "SilentLoss");
    }

    #[test]
    fn the_digest_is_the_one_of_the_standard() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256_of(b"abc"), expected);
    }
}
