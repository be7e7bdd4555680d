//! Lists every limit of one fetch.

use std::time::Duration;

/// Every limit of one fetch. Times run from the moment the transport is called.
#[derive(Clone, Debug, PartialEq)]
pub struct FetchLimits {
    /// From the call to the last byte; stands still only while bytes credits are awaited.
    pub deadline: Duration,
    /// Name resolution.
    pub dns_timeout: Duration,
    /// Connecting and the TLS handshake together.
    pub connect_timeout: Duration,
    /// From the request written to the first byte of the response.
    pub first_byte_timeout: Duration,
    /// Between two reads of a body.
    pub idle_body_timeout: Duration,
    /// Bytes a second that a response must bring, over each [`FetchLimits::RATE_WINDOW`] after the first
    /// [`FetchLimits::RATE_GRACE`] of it; 0: no such limit.
    pub rate_min: u64,
    /// Bytes of the body as received, and bytes of the body as decoded, each.
    pub body_bytes_max: u64,
    /// Whether a body at its cap is an error or a truncated result.
    pub at_cap: AtCap,
    /// Bytes of the response head, status line included.
    pub head_bytes_max: usize,
    /// Lines of the response head.
    pub head_lines_max: usize,
    /// Bytes of one line of the response head.
    pub head_line_bytes_max: usize,
    /// Interim (1xx) responses before the final one.
    pub interim_max: u32,
    /// Content codings one on top of the other.
    pub coding_layers_max: usize,
    /// Decoded bytes per wire byte, judged after the first MiB decoded.
    pub ratio_max: u64,
}

impl FetchLimits {
    /// How long a response may be slow before its rate counts.
    pub const RATE_GRACE: Duration = Duration::from_secs(10);
    /// The stretch over which the rate is taken.
    pub const RATE_WINDOW: Duration = Duration::from_secs(20);
}

impl Default for FetchLimits {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(60),
            dns_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(10),
            first_byte_timeout: Duration::from_secs(15),
            idle_body_timeout: Duration::from_secs(10),
            rate_min: 1 << 10,
            body_bytes_max: 10 << 20,
            at_cap: AtCap::Fail,
            head_bytes_max: 64 << 10,
            head_lines_max: 128,
            head_line_bytes_max: 16 << 10,
            interim_max: 10,
            coding_layers_max: 2,
            ratio_max: 200,
        }
    }
}

/// What becomes of a body that reaches its cap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AtCap {
    /// The fetch ends `too_large`.
    #[default]
    Fail,
    /// The fetch ends `ok_truncated` with what was read.
    Truncate,
}
