//! Writes to standard output, which is data, and to standard error, which is everything else.

use std::io::{self, IsTerminal, Write};

use dragline::core::report::grouped;

use crate::exit::{Exit, Fault};

/// Writes one line of data; a reader that went away ends the program quietly.
pub(crate) fn data(line: &str) -> Result<(), Fault> {
    let mut out = io::stdout().lock();
    match out.write_all(line.as_bytes()).and_then(|()| out.write_all(b"\n")) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Fault::new(Exit::Storage, error)),
        _ => Ok(()),
    }
}

/// Writes bytes as they are.
pub(crate) fn raw(bytes: &[u8]) -> io::Result<()> {
    io::stdout().lock().write_all(bytes)
}

/// Writes one line for people; nobody can be told when even that fails.
pub(crate) fn tell(line: &str) {
    let written = writeln!(io::stderr().lock(), "{line}");
    drop(written);
}

/// Writes a number with its noun: `1 host`, `1,204 hosts`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", grouped(number))
}

/// Says why the program ends.
pub(crate) fn complain(fault: &Fault) {
    let text = fault.to_string();
    tell(&if text.starts_with("error") { text } else { format!("error: {text}") });
}

/// Whether standard error is a terminal that may be shown colours.
pub(crate) fn color_on_stderr(color: crate::args::When) -> bool {
    match color {
        crate::args::When::Always => true,
        crate::args::When::Never => false,
        crate::args::When::Auto => io::stderr().is_terminal(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_agrees_with_its_noun() {
        let check = |number, expected: &str| assert_eq!(counted(number, "host"), expected);
        check(0, "0 hosts");
        check(1, "1 host");
        check(1_204, "1,204 hosts");
    }
}
