//! Describes one thing that a server does, and what an honest client may say of it.

use bytes::Bytes;
use dragline_core::Outcome;

/// One thing the site does.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// A name of its own, such as `framing/length-twice-different`: the family, and what happens.
    pub name: String,
    /// The URL to ask for, spelled as an operator would give it.
    pub url: String,
    /// How to ask.
    pub ask: Ask,
    /// The outcomes that are right; several where careful engineers differ.
    pub accepted: Vec<Outcome>,
    /// The statuses that are right when the outcome has one; empty for any.
    pub statuses: Vec<u16>,
    /// The body that was sent.
    pub sent: Sent,
    /// Whether a canary waits at its end: nothing but 127.0.0.1 may be dialled.
    pub guarded: bool,
}

/// How a behaviour is to be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ask {
    /// By GET, without asking for robots.txt.
    Get,
    /// By HEAD, without asking for robots.txt.
    Head,
    /// By GET, when robots.txt allows it.
    Obediently,
    /// By GET, with fields that hold [`SECRET`](super::SECRET), without asking for robots.txt.
    WithSecret,
    /// By GET, with a jar for cookies of its own that holds none yet, without asking for robots.txt.
    WithCookies,
}

/// The decoded body that an honest client must report when it says `ok`.
#[derive(Clone, Debug)]
pub enum Sent {
    /// Exactly these bytes; of a truncated result, their beginning.
    Whole(Bytes),
    /// Either of these, since the standards leave it open.
    OneOf(Vec<Bytes>),
    /// Bytes whose end never came: whoever says `ok` has lost some.
    Never,
}
